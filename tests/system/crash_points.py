"""The path of a task, step by step, and a trap that springs between any two of them.

The steps are the same on all engines; those of a storage are wrapped in each engine.

Nothing in the package knows of this: the functions that make a step are wrapped by name. A step
that has been renamed fails to be wrapped, and with it every test that stands on it.
"""

import asyncio
import functools
import importlib
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from taskqueue.storage.postgres.connections import Connection
from taskqueue.storage.sqlite.commit.call import BatchOperation
from taskqueue.storage.sqlite.handler_sql import bounded

STORAGES = (
    "taskqueue.storage.sqlite.engine:SQLiteStorage",
    "taskqueue.storage.postgres.engine:PostgresStorage",
)

# In the order of the path. A verb alone is the commit in which the storage writes it; one of the
# `storage` is that of each engine.
STEPS: dict[str, str] = {
    "accept": "taskqueue.api.app:App.prepare",
    "send the insert": "taskqueue.actors.client:QueueClient.enqueue",
    "insert": "storage:insert",
    "commit the insert": "insert",
    "answer": "taskqueue.http.access:AccessLog.log",
    "claim": "storage:claim",
    "commit the claim": "claim",
    "take": "taskqueue.actors.queue.dispatch:DispatchBuffer.take",
    "hand over": "taskqueue.actors.task_log:attempt_started",
    "begin the handler": "tests.system.crash_app:begin",
    "note the start": "taskqueue.actors.consumer.start_notes:StartNotes.note",
    "commit the start": "start",
    "end the handler": "tests.system.crash_app:end",
    "report": "taskqueue.actors.consumer.queue_link:QueueLink._await_answer",
    "conclude": "taskqueue.actors.queue.completer:Completer.settle",
    "settle": "storage:settle",
    "commit the settlement": "settle",
    "hear the answer": "taskqueue.actors.task_log:settled",
}

# Where a step begins, if that is another function than the one in which it ends: a report is on its
# way to the queue, and may be settled, before its answer is awaited.
BEGINS: dict[str, str] = {
    "report": "taskqueue.actors.consumer.queue_link:QueueLink.report",
}

# In place of an insert and a claim, where nobody waits and there is room.
SHORT_CUT: dict[str, str] = {
    "insert as claimed": "storage:insert_and_claim",
    "commit the claimed insert": "insert_and_claim",
}


def _points(steps: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{side} {step}" for step in steps for side in ("before", "after"))


POINTS = _points(STEPS)
SHORT_CUT_POINTS = _points(SHORT_CUT)

ARMED_BY = "before accept"  # what passes before the task is there does not count
STARTED = "after commit the start"

# Only of a handler that lasts is it written that it has begun. So this one waits for that here, or
# for the trap, should that spring before.
HANDLER_WAITS = "before end the handler"
START_TIMEOUT_S = 5.0

Spring = Callable[[], Awaitable[object] | None]


class Trap:
    """Springs once, when a point is passed for the first time after a task has come."""

    def __init__(self, point: str, spring: Spring) -> None:
        """Set a trap.

        Args:
            point: where.
            spring: what happens; it is called on the thread that passes, and what it returns is
                awaited if that is where one can.
        """
        assert point in POINTS + SHORT_CUT_POINTS
        self.sprung = threading.Event()
        self._point = point
        self._spring = spring
        self._armed = False
        self._seen = threading.Event()  # its beginning, or that it is too late for that

    def passes(self, point: str) -> Awaitable[object] | None:
        """Hear that a point is passed."""
        self._armed = self._armed or point == ARMED_BY
        if point == STARTED:
            self._seen.set()
        if point != self._point or not self._armed or self.sprung.is_set():
            return None
        self._seen.set()
        self.sprung.set()
        return self._spring()

    async def wait_before(self, point: str) -> None:
        """Wait where the handler has to."""
        if point == HANDLER_WAITS:
            seen = await asyncio.to_thread(self._seen.wait, START_TIMEOUT_S)
            assert seen, "the start was never committed"


class CommitTrap(Trap):
    """Springs in something that hears of commits only."""

    def passes(self, point: str) -> Awaitable[object] | None:
        """Hear that a point is passed."""
        # An insert is of the task; a settlement may be all that is committed there.
        if point.endswith(("insert", "settlement")):
            super().passes(ARMED_BY)
        return super().passes(point)


def wrappings(trap: Trap) -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """Yield what is to be put in which place, so that the trap hears of every step."""
    for step, target in (STEPS | SHORT_CUT).items():
        before, after = f"before {step}", f"after {step}"
        if step in BEGINS:
            yield _wrapping(trap, BEGINS[step], before, f"begun to {step}")
            yield _wrapping(trap, target, f"ending to {step}", after)
        elif target.startswith("storage:"):
            verb = target.removeprefix("storage:")
            for storage in STORAGES:
                yield _wrapping(trap, f"{storage}.{verb}", before, after)
        elif ":" in target:
            yield _wrapping(trap, target, before, after)
    yield commit_wrapping(trap)
    yield server_commit_wrapping(trap)


def _wrapping(
    trap: Trap, target: str, before: str, after: str
) -> tuple[Any, str, Callable[..., Any]]:
    place, name = _place(target)
    return place, name, _wrapped(trap, before, after, getattr(place, name))


def _place(target: str) -> tuple[Any, str]:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    return functools.reduce(getattr, owners, importlib.import_module(module)), name


def _wrapped(
    trap: Trap, before: str, after: str, function: Callable[..., Any]
) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def wrapped_async(*args: Any, **kwargs: Any) -> Any:
            await trap.wait_before(before)
            await _passed(trap, before)
            answer = await function(*args, **kwargs)
            await _passed(trap, after)
            return answer

        return wrapped_async

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        trap.passes(before)
        answer = function(*args, **kwargs)
        trap.passes(after)
        return answer

    return wrapped


async def _passed(trap: Trap, point: str) -> None:
    spring = trap.passes(point)
    if spring is not None:
        await spring


def commit_wrapping(trap: Trap) -> tuple[Any, str, Callable[..., Any]]:
    """Return what to put where, so that the trap hears of commits."""
    committing = importlib.import_module("taskqueue.storage.sqlite.commit.batch")
    return committing, "transact", _wrapped_commit(trap, committing)


def _wrapped_commit(trap: Trap, committing: Any) -> Callable[..., Any]:
    """Return a `transact` that passes a point before its COMMIT, when all is done, and after."""
    transact, counts = committing.transact, committing.Transaction.write_counts

    def passed(side: str, operations: Any) -> None:
        for step in _steps_of(_unpacked(operations)):
            _blocking(trap.passes(f"{side} {step}"))

    def wrapped(db: Any, operations: Any, patience_s: float) -> Any:
        class Transaction(committing.Transaction):  # type: ignore[misc, name-defined]
            def write_counts(self) -> None:
                counts(self)
                passed("before", operations)

        original, committing.Transaction = committing.Transaction, Transaction
        try:
            answer = transact(db, operations, patience_s)
        finally:
            committing.Transaction = original
        passed("after", operations)
        return answer

    return wrapped


def _steps_of(operations: Iterable[Any]) -> Iterator[str]:
    """Yield the steps of which the operations of a commit are the end."""
    steps = {verb: step for step, verb in (STEPS | SHORT_CUT).items() if ":" not in verb}
    for operation in operations:
        if (step := steps.get(_verb_of(operation))) is not None:
            yield step


def _verb_of(operation: Any) -> str:
    if isinstance(operation, BatchOperation):
        return operation.verb
    verb = getattr(operation, "func", operation)  # some are bound to arguments
    return getattr(verb, "__name__", "").removeprefix("_")


def _unpacked(operations: Iterable[Any]) -> Iterator[Any]:
    """Yield the operations, and what one that applies statements of handlers consists of."""
    for operation in operations:
        if getattr(operation, "func", None) is bounded._apply:
            batch, *_ = operation.args
            yield from (each.run for each in batch)
        else:
            yield operation


def _blocking(spring: Awaitable[object] | None) -> None:
    """Wait on a thread without a loop."""
    if spring is not None:

        async def wait() -> None:
            await spring

        asyncio.run(wait())


committing_on: ContextVar[Connection] = ContextVar("committing_on")
"""The connection of the commit that passes a point just now."""


def server_commit_wrapping(trap: Trap) -> tuple[Any, str, Callable[..., Any]]:
    """Return what to put where, so that the trap hears of commits on a server."""
    committing = importlib.import_module("taskqueue.storage.postgres.commit")
    return committing, "_try", _wrapped_try(trap, committing._try)


def _wrapped_try(trap: Trap, commit: Callable[..., Any]) -> Callable[..., Any]:
    """Return a `_try` that passes a point before its COMMIT is sent, and when it was answered."""

    async def wrapped(connection: Any, begin: str, operations: Any, first: Any) -> Any:
        watched = _Watched(connection, trap, [*_steps_of(operations)])
        return await commit(watched, begin, operations, first)

    return wrapped


class _Watched:
    """A connection that passes the points of a commit."""

    def __init__(self, connection: Any, trap: Trap, steps: list[str]) -> None:
        self._connection = connection
        self._trap = trap
        self._steps = steps

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str, *args: object) -> str:
        if query != "COMMIT":
            return str(await self._connection.execute(query, *args))
        committing_on.set(self._connection)
        for step in self._steps:
            await _passed(self._trap, f"before {step}")
        tag = await self._connection.execute(query)
        for step in self._steps:
            await _passed(self._trap, f"after {step}")
        return str(tag)
