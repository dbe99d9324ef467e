"""What a handler knows about the attempt it is making."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, cast

from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.api.attempt_logger import attempt_logger
from taskqueue.api.tracing import Tracing, traced
from taskqueue.api.transaction import Transaction
from taskqueue.attempt_log import Lines
from taskqueue.errors import NoConnection, NoResources, NotRunning, StatementRefused
from taskqueue.logger import log
from taskqueue.rules import encoding, limits
from taskqueue.rules.limit_checks import spent
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.tasks import NewTask, Outcome, Rows, Statement, Task, require_tasks

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # its default lets a bare `Context` be complete

    T_co = TypeVar("T_co", covariant=True, default=object)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

P = ParamSpec("P")

NO_RESOURCES = object()
"""Stands for the resources of an app that has none."""

_first_use = Lock()


class Preparable(Protocol[P]):
    """What can become a task: an action of an app."""

    def prepare(self, /, *args: P.args, **kwargs: P.kwargs) -> NewTask:
        """Return the task that calls the handler with these arguments."""
        ...


class Context(Generic[T_co]):
    """One attempt at a task, as its handler sees it. Made by the consumer, or by a test.

    `Context[Pool]` says that `ctx.resources` is a `Pool`.
    """

    def __init__(
        self,
        task: Task,
        handle: AttemptHandle | None = None,
        *,
        max_result_bytes: int = encoding.MAX_BYTES,
        limit_s: float | None = None,
        resources: T_co | object = NO_RESOURCES,
        tracing: Tracing | None = None,
    ) -> None:
        """Make the context of an attempt; without a handle, of one that no service makes."""
        self.task = task
        self.max_result_bytes = max_result_bytes
        self.limit_s = limit_s  # for its executor to keep
        self.handle = handle or _Nowhere(task)
        self._resources = resources
        self.tracing = tracing
        self.traceparent = task.traceparent
        """The trace of this attempt (W3C `traceparent`), to be passed on; None: it has none."""
        self._transaction: Transaction | None = None  # most handlers have none
        self.has_connection = False
        """Whether the handler has asked for a connection."""
        self._follow_ups: list[NewTask] = []

    @property
    def attempt(self) -> int:
        """The attempt being made: 1, 2, …"""
        return self.task.attempt

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt at this task, and for no other task.

        Hand it to a service outside, so that an effect which is tried twice happens once.
        """
        return self.task.id

    @property
    def resources(self) -> T_co:
        """What `@app.resources` has opened for this consumer, or for this worker process.

        Raises:
            NoResources: the app has none.
        """
        if self._resources is NO_RESOURCES:
            raise NoResources
        return cast(T_co, self._resources)

    @cached_property
    def log(self) -> FilteringBoundLogger:
        """A logger whose lines carry `task_id`, `action` and `attempt`.

        The last 100 lines, of 16 KiB at most, are kept with the attempt. Safe to call from any
        thread.
        """
        fields = {"task_id": self.task.id, "action": self.task.action, "attempt": self.attempt}
        return attempt_logger(log.bind(), self.handle.log, fields)

    def progress(self, value: object) -> None:
        """Show how far this attempt is: any JSON value, as `progress` of the task.

        Written soon, not waited for; only the latest is kept. Safe to call from any thread.

            ctx.progress(0.4)
            ctx.progress({"done": 40, "of": 100})

        Raises:
            NotJSON: the value has no JSON form.
            TaskTooLarge: it has more than 1 MiB as JSON.
        """
        self.handle.report(encoding.json_of("progress", value, encoding.encode(value)))

    def spend(self, limit: str, cost: float, *, key: str | None = None) -> None:
        """Charge a limit for what this attempt has cost beyond its start.

        Its rate allows the next start later then: a debt is paid before others begin. Charged soon,
        not waited for, and kept however the attempt ends. A negative cost is given back. Safe to
        call from any thread.

            answer = await model.ask(prompt)
            ctx.spend("openai", answer.tokens)

        Args:
            limit: its name.
            cost: in starts.
            key: under which key; None: the one under which this task counts, if it does.

        Raises:
            ValueError: the cost is no number, or too large.
        """
        cost = spent(cost)
        uses = {use.name: use.key for use in limits.decoded(self.task.limits)}
        self.handle.spend(LimitUse(limit, uses.get(limit) if key is None else key, cost))

    def transaction(self) -> Transaction:
        """Return the task's own transaction in the service's database: one per attempt.

        What it gathers is written if and only if this attempt completes the task, in the one commit
        that writes the result: a handler that raises, is cut, times out, or was believed dead and
        wakes up writes nothing.

        Raises:
            StatementRefused: this attempt has used `connection`.
        """
        if self.has_connection:
            raise StatementRefused("this attempt has a ctx.connection(): run it there")
        with _first_use:  # two threads of a handler must not get two
            if self._transaction is None:
                self._transaction = Transaction(self.handle)
            return self._transaction

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        """Lend a connection of asyncpg to the service's PostgreSQL database; for `async def`.

        It is inside a transaction, which is the attempt's own: all blocks of an attempt share it.
        What they write is committed if and only if this attempt completes the task, in the one
        commit that writes the result. A block that raises takes its own writes back.

            async with ctx.connection() as db:
                await db.execute("UPDATE accounts SET balance = balance - $1", amount)

        Raises:
            NoConnection: the service does not run on PostgreSQL, the handler runs in a thread or a
                process, or this attempt has used `transaction`.
            LeaseLost: at the end of the block: another attempt has the task.
            StorageUnavailable, ActorError: the database does not answer now.
        """
        if self._transaction is not None:
            raise NoConnection("this attempt has used ctx.transaction()")
        had_one, self.has_connection = self.has_connection, True  # from now on: it takes a while
        async with AsyncExitStack() as lent:
            try:
                connection = await lent.enter_async_context(self.handle.connection())
            except NoConnection:
                self.has_connection = had_one
                raise
            yield connection

    def enqueue(self, action: Preparable[P], /, *args: P.args, **kwargs: P.kwargs) -> str:
        """Accept a follow-up task together with the ack of this one; return its id.

        It exists if and only if this attempt completes the task: a handler that raises, is cut or
        times out leaves no follow-ups. Safe to call from any thread.

        Under a unique key that another task has by then, none is made: the id is of no task. Ask by
        the key, not by the id, where that may be.

            ctx.enqueue(resize, url=url)
            ctx.enqueue(resize.with_options(delay_s=60), url=url)

        Raises:
            InvalidTask: the arguments do not fit the handler's signature.
            TaskTooLarge: they have more than 1 MiB as JSON.
            TypeError: `action` does not prepare tasks.
        """
        task = action.prepare(*args, **kwargs)
        require_tasks(task)
        task = replace(task, parent=self.task.id)
        with traced(self.tracing, (task,), task.traceparent or self.traceparent) as sent:
            self._follow_ups += sent
        return task.id

    @property
    def follow_ups(self) -> tuple[NewTask, ...]:
        """What `enqueue` has gathered, in order."""
        return tuple(self._follow_ups)

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What `transaction` has gathered, in order."""
        return () if self._transaction is None else self._transaction.statements


class _Nowhere:
    """The handle of an attempt that no service makes: a test that calls a handler by itself."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def report(self, progress: str) -> None:
        """Discard it: no service runs this attempt."""

    def spend(self, use: LimitUse) -> None:
        """Discard it likewise."""

    def log(self, lines: Lines) -> None:
        """Discard it likewise."""

    async def dry_run(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        return self.dry_run_blocking(statements, query)

    def dry_run_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        raise NotRunning((self._task.action,))

    def connection(self) -> AbstractAsyncContextManager[Any]:
        raise NotRunning((self._task.action,))

    async def concluded(self, outcome: Outcome) -> Outcome:
        return outcome

    def abandon_connection(self) -> None:
        """Nothing was lent."""
