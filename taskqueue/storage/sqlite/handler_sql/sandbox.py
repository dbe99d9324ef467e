"""Runs operations of handlers in a process of its own, and starts another if they kill it.

run ─┐                                                   ┌─ answer
run ─┼─▶ waiting ─▶ turn ─▶ bounded, in the process ─────┼─ answer    what is left waits again
run ─┘                                                   └─ died ─▶ each is tried alone
"""

import asyncio
import contextlib
import copy
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

from taskqueue.errors import StatementRefused, StatementsFatal, StorageUnavailable
from taskqueue.rules.groups import GroupEnd
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.sqlite.commit.batch import Result
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.pickling import NotSent
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.watchdog import Activity, activity_of
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.errors import WriterLost
from taskqueue.storage.sqlite.handler_sql.bounded import KILLED, BoundedOperation, Serve
from taskqueue.storage.sqlite.operations.settling import NotBegun

T = TypeVar("T")

# An operation alone in the process is blamed for this many deaths in a row, and not for one: an
# operator or the kernel, short of memory, may have killed it as well.
MOST_LOSSES = 3

_MOST_AT_ONCE = 32  # what there is no time for is sent again

# A process that answers nothing for so long after the time of its operations is killed, and none of
# them is blamed: a signal may have stopped it. One that waits for the disk is given longer.
_STUCK_S = 5.0
_SLOW_S = 60.0
_CHECK_S = 0.5


class _Waiting:
    """An operation, its answer, and what it has cost."""

    def __init__(self, operation: BoundedOperation, answer: asyncio.Future[Any]) -> None:
        self.operation = operation
        self._answer = answer
        self.losses = 0

    def resolve(self, result: Result) -> None:
        if self._answer.done() or self._answer.get_loop().is_closed():
            return
        if result.error is not None:
            self._answer.set_exception(result.error)
        else:
            self._answer.set_result(result.value)


class Sandbox:
    """One process, started when it is first needed; belongs to the loop it is used on."""

    def __init__(
        self,
        open_connection: Callable[[], Awaitable[ProcessConnection]],
        serve: Serve,
        turn: Callable[[], AbstractAsyncContextManager[None]],
        watch: FileWatch,
        *,
        patience_s: float,
        on_group_end: Callable[[GroupEnd], object],
    ) -> None:
        """Make a sandbox that runs nothing.

        Args:
            open_connection: starts the process.
            serve: what the process does with operations, within a `turn`.
            turn: keeps others from writing, if that is necessary.
            watch: the file.
            patience_s: how long to wait for other writers.
            on_group_end: called for each group that has ended.
        """
        self._open = open_connection
        self._serve = serve
        self._turn = turn
        self._watch = watch
        self._patience_s = patience_s
        self._on_group_end = on_group_end
        self._connection: ProcessConnection | None = None
        self._checking: asyncio.TimerHandle
        self._stuck: ProcessConnection | None = (
            None  # it was killed, though none of them was at fault
        )
        self._waiting: deque[_Waiting] = deque()
        self._suspects: deque[_Waiting] = deque()  # the process died with several: one at a time
        self._running: Sequence[_Waiting] = ()
        self._working: asyncio.Task[None] | None = None
        self._closed = False
        self.rows_changed = 0
        """By all commits so far, undone or not."""

    def run(self, operation: Callable[[Transaction], T], *, limit_s: float) -> asyncio.Future[T]:
        """Answer with what `operation` returns, once that is committed; it may run twice.

        Cancelling the answer changes nothing for the operation.

        Raises:
            StatementRefused: it was killed, because it took longer than `limit_s` seconds.
            StatementsFatal: the process has died of it.
            StorageUnavailable: closed, or no process can be started.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Waiting(BoundedOperation(operation, limit_s), answer))
        if self._working is None:
            self._working = loop.create_task(self._work())
        return answer

    async def close(self) -> None:
        """Refuse what comes, finish what waits, end the process."""
        self._closed = True
        if self._working is not None:
            await self._working
        if self._connection is not None:
            await self._connection.close()

    def abandon(self, then: Callable[[], object]) -> None:
        """Let go without waiting. What runs ends first, what waits is never begun.

        All are answered `StorageUnavailable`; `then` is called when the process has ended.
        """
        self._closed = True
        if self._working is not None and not self._working.get_loop().is_closed():
            self._working.cancel()
        self._fail(StorageUnavailable("closed before the commit was known"))
        if self._connection is None:
            then()
        else:
            self._connection.abandon(then)

    async def _work(self) -> None:
        try:
            while self._suspects or self._waiting:
                connection = await self._connected()
                async with self._turn():
                    await self._run_next(connection)
        except Exception as error:  # noqa: BLE001  it belongs to those who wait for an answer
            self._fail(error)
        finally:
            self._working = None

    async def _connected(self) -> ProcessConnection:
        if self._connection is None or self._connection.is_lost:
            if self._connection is not None:
                self._connection.abandon()
            self._connection = None
            self._connection = await self._open()
        return self._connection

    async def _run_next(self, connection: ProcessConnection) -> None:
        batch = self._running = self._next_batch()
        operations = [each.operation for each in batch]
        limit_s = self._patience_s + max(each.limit_s for each in operations) + _STUCK_S
        loop = asyncio.get_running_loop()
        self._checking = loop.call_later(limit_s, self._check, connection, loop.time() + _SLOW_S)
        try:
            committed = await connection.run(
                partial(self._serve, operations, self._watch, self._patience_s)
            )
        except WriterLost as error:
            self._lost(batch, error, connection)
        except NotSent as error:
            self._not_sent(batch, error)
        else:
            self.rows_changed += committed.rows_changed
            tell_refused(committed.refused)
            for end in committed.ended:
                self._on_group_end(end)
            self._resolve(batch, committed.results)
        finally:
            self._checking.cancel()
        self._running = ()

    def _next_batch(self) -> Sequence[_Waiting]:
        if self._suspects:
            return [self._suspects.popleft()]
        most = min(len(self._waiting), _MOST_AT_ONCE)
        return [self._waiting.popleft() for _ in range(most)]

    def _resolve(self, batch: Sequence[_Waiting], results: Sequence[Result]) -> None:
        left = []
        for each, result in zip(batch, results, strict=True):
            if isinstance(result.value, NotBegun):
                left.append(each)
            else:
                each.resolve(result)
        self._waiting.extendleft(reversed(left))

    def _check(self, connection: ProcessConnection, until: float) -> None:
        """Kill a process that does not answer, unless it waits for the disk and it is not `until`.

        Killing does not make a disk faster, and a slow commit would start again each time.
        """
        loop = asyncio.get_running_loop()
        if activity_of(connection.pid) is Activity.WAITING and loop.time() < until:
            self._checking = loop.call_later(_CHECK_S, self._check, connection, until)
        else:
            self._stuck = connection
            connection.kill()

    def _lost(
        self, batch: Sequence[_Waiting], error: WriterLost, connection: ProcessConnection
    ) -> None:
        """The process has died: of the one that it ran, or of one among several."""
        if connection is self._stuck and self._closed:
            for each in batch:
                each.resolve(Result(error=copy.copy(error)))
            return
        if connection is self._stuck or len(batch) > 1:
            self._suspects.extend(batch)
            return
        [each] = batch
        each.losses += 1
        if connection.exit_code == KILLED:
            each.resolve(Result(error=StatementRefused(_overtime(each.operation.limit_s))))
        elif each.losses == MOST_LOSSES:
            each.resolve(Result(error=StatementsFatal(f"its statements: {error.reason}")))
        else:
            self._suspects.appendleft(each)

    def _not_sent(self, batch: Sequence[_Waiting], error: NotSent) -> None:
        if len(batch) > 1:
            self._suspects.extend(batch)
        else:
            batch[0].resolve(Result(error=error))

    def _fail(self, error: Exception) -> None:
        unanswered = [*self._running, *self._suspects, *self._waiting]
        self._running = ()
        self._suspects.clear()
        self._waiting.clear()
        for each in unanswered:
            each.resolve(Result(error=copy.copy(error)))


def _overtime(limit_s: float) -> str:
    return f"took longer than {limit_s} s in a single step, so its process was ended"


@contextlib.asynccontextmanager
async def beside() -> AsyncIterator[None]:
    """Be a `turn` that does not hold up commits."""
    yield
