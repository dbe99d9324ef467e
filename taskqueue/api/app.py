"""What a user writes: an app with its actions.

app = App()

@app.task("resize", max_attempts=3)
async def resize(ctx: Context, url: str, width: int = 800) -> dict[str, int]: ...

await resize.enqueue(url="…", width=400)
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from taskqueue.api.action import Action, Enqueuing, PlainAction
from taskqueue.api.contents import Contents
from taskqueue.api.context import Context
from taskqueue.api.destination import Destination, Enqueuer
from taskqueue.api.fair_shares import Sharing
from taskqueue.api.limits import AnyLimits
from taskqueue.api.parameters import AnyFunction
from taskqueue.api.preparation import new_task
from taskqueue.api.readers import JSON
from taskqueue.api.registration import ExecutorName, Registration, name_of
from taskqueue.api.retries import USUAL, Retries
from taskqueue.api.schedules import Scheduling
from taskqueue.api.tracing import Tracing, traced_here
from taskqueue.client.sync import Client
from taskqueue.clock import Clock, SystemClock
from taskqueue.foreign import conversion as plain
from taskqueue.rules.options import NO_CHOICE, Defaults, Options, as_built_in, converted_by
from taskqueue.rules.tasks import DEFAULT_MAX_ATTEMPTS, DEFAULT_QUEUE, NewTask, require_tasks
from taskqueue.rules.uniqueness import OnRepeatName, ScopeName, UntilName

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class App(Contents, Scheduling):
    """A set of actions, and the way of their tasks into the running service."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._destination = Destination()
        self._time = self._clock  # of the attached service
        self.tracing: Tracing | None = None
        """Makes spans of its tasks; None: their traces are passed on."""
        self.reference: str | None = None  # `module:app`, once it has been loaded by that name
        self.folder = ""  # where it was looked for first

    @property
    def is_attached(self) -> bool:
        """Whether a running service takes its tasks."""
        return self._destination.is_attached

    @overload
    def task(self, function: Callable[Concatenate[Context[T], P], R], /) -> Action[P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> PlainAction[P, R]: ...

    @overload
    def task(
        self,
        action: str | None = None,
        *,
        queue: str = ...,
        priority: int = ...,
        max_attempts: int = ...,
        timeout_s: float | None = ...,
        unique_by: Sequence[str] | None = ...,
        unique_scope: ScopeName | None = ...,
        unique_until: UntilName | float | None = ...,
        on_repeat: OnRepeatName | None = ...,
        latest_s: float | None = ...,
        expires_s: float | None = ...,
        executor: ExecutorName | None = ...,
        retries: Retries = ...,
        false_is_failure: bool | None = ...,
        limit: AnyLimits = ...,
        fair_by: str | None = ...,
        weight: float | str | None = ...,
        schedulable: bool = ...,
    ) -> Registration: ...

    def task(
        self,
        action: AnyFunction | str | None = None,
        *,
        queue: str = DEFAULT_QUEUE,
        priority: int = 0,
        max_attempts: int = DEFAULT_MAX_ATTEMPTS,
        unique_by: Sequence[str] | None = None,
        unique_scope: ScopeName | None = None,
        unique_until: UntilName | float | None = None,
        on_repeat: OnRepeatName | None = None,
        latest_s: float | None = None,
        expires_s: float | None = None,
        timeout_s: float | None = None,
        executor: ExecutorName | None = None,
        retries: Retries = USUAL,
        false_is_failure: bool | None = None,
        limit: AnyLimits = (),
        fair_by: str | None = None,
        weight: float | str | None = None,
        schedulable: bool = False,
    ) -> Any:
        """Register the decorated function as the handler of `action`, by default of its own name.

        An `async def` runs on its consumer's loop, a `def` in a thread, and either of them in a
        process of its own with `executor="process"`; see `docs/executors.md`. An attempt that runs
        longer than `timeout_s` is cancelled on the loop and killed in a process; a thread cannot be
        stopped, so there it is refused. 0 is no limit; by default the setting `timeout_s` holds.
        `retries` says when a failed attempt is tried again. A handler that returns False has
        failed, unless `false_is_failure` is False; without a choice, a `-> bool` is warned of.
        `limit` says how many tasks may run at once, or start in a while; see `docs/limits.md`.
        Tasks whose field `fair_by` has different values take turns, each as many as its `weight`
        (a number, or the name of a field) says; see `docs/fairness.md`.
        The fields `unique_by` of a task's data make its unique key; see `docs/uniqueness.md`. A
        task that has not started `expires_s` seconds after its enqueue is cancelled. Only actions
        that are `schedulable` can be scheduled over HTTP.

        A first parameter `ctx: Context` gets the context of the attempt. To take any keys, write
        `(ctx: Context, /, **data: …)`; without the `/` type checkers object.

        Raises:
            ConfigError: with every fault of the name, the options, the executor, the function's
                signature, the limits and the fair share.
        """
        if callable(action):
            return self.task()(action)
        defaults = as_built_in(
            Defaults(
                queue=queue,
                priority=priority,
                max_attempts=max_attempts,
                unique_by=unique_by,
                unique_scope=unique_scope,
                unique_until=unique_until,
                on_repeat=on_repeat,
                latest_s=latest_s,
                expires_s=expires_s,
            )
        )

        def register(function: AnyFunction) -> Enqueuing[Any]:
            name = name_of(function) if action is None else converted_by(plain.text, action)
            handler = self._handlers.register(
                function,
                name,
                defaults=defaults,
                timeout_s=timeout_s,
                executor=executor,
                retries=retries,
                false_is_failure=false_is_failure,
                limit=limit,
                sharing=Sharing(fair_by, weight),
                schedulable=schedulable,
            )
            kind = Action if handler.takes_context else PlainAction
            return kind(self, name, function, NO_CHOICE)

        return register

    def prepare(
        self,
        action: str,
        data: JSON | None = None,
        *,
        options: Options = NO_CHOICE,
        idempotency_key: str | None = None,
    ) -> NewTask:
        """Return the task that does `action` with `data` (JSON; absent or empty: `{}`).

        The data goes into the payload byte for byte. Nothing is enqueued yet. `idempotency_key` is
        the unique key if neither the options nor the action choose one.

        Raises:
            UnknownAction: there is neither a handler nor a default handler.
            InvalidTask: with every fault of the data and the options.
            TaskTooLarge: the payload has more than 1 MiB.
        """
        handler = self.handler(action)
        action, options = converted_by(plain.text, action), as_built_in(options)
        return new_task(
            handler,
            action,
            bytes(data) if data else b"{}",
            options,
            faults=tuple(self._handlers.call_faults(action, options)),
            limits_of=self._handlers.limits_of,
            share_of=self._handlers.share_of,
            idempotency_key=idempotency_key,
            now=self._time.now(),
        )

    def connect(self, url: str | None = None, *, token: str | None = None) -> Client:
        """Enqueue through a client while no service runs in this process; return the client.

        Without this call the environment decides: TASKQUEUE_URL and TASKQUEUE_TOKEN.

        Args:
            url: of the service, its socket or its file, as for `Client`; default: TASKQUEUE_URL.
            token: of this program; default: TASKQUEUE_TOKEN, if that is set.

        Raises:
            ConfigError: there is no URL, or it cannot be used.
        """
        client = Client(url, token=token)
        self._destination.connect(client)
        return client

    def disconnect(self) -> None:
        """Forget the client, and close its connections."""
        self._destination.disconnect()

    def attach(self, enqueuer: Enqueuer) -> None:
        """Send new tasks there from now on."""
        self._destination.attach(enqueuer)

    def count_delays_by(self, clock: Clock) -> None:
        """Go by the clock of the service that it is attached to."""
        self._time = clock

    def detach(self) -> None:
        """Refuse new tasks from now on."""
        self._destination.detach()
        self._time = self._clock

    async def enqueue(self, *tasks: NewTask) -> tuple[str, ...]:
        """Accept prepared tasks; return their ids. Durable when this returns.

        For a task that is there already, by its id or its unique key, that is the id of the one
        that is there.

        Raises:
            TypeError: one of them is no prepared task.
            NotRunning: there is no service in this process, and no client is configured.
            ServiceUnavailable: the client's service cannot be reached; likewise.
            KeyConflict: a unique key belongs to a different request. All other tasks are accepted.
            KeyTaken: a unique key is held by a task that stays as it is; likewise.
            GroupClosed: a group takes no more members. All other tasks are accepted.
            StorageUnavailable: they may or may not have been accepted; the same tasks may be
                enqueued again and will be there once.
        """
        require_tasks(*tasks)
        with traced_here(self.tracing, tasks) as sent:
            return await self._destination.enqueue(sent)

    def enqueue_sync(self, *tasks: NewTask) -> tuple[str, ...]:
        """Accept prepared tasks in a program without asyncio; return their ids. See `enqueue`.

        Raises:
            WouldBlock: this is the loop of the service in this process; await `enqueue` instead.
        """
        require_tasks(*tasks)
        with traced_here(self.tracing, tasks) as sent:
            return self._destination.enqueue_sync(sent)
