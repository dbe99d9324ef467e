"""Group commit: all waiting writes share a transaction; those that arrive meanwhile share the next.

    write ─┐                      ┌─ answer
    write ─┼─▶ pending ─▶ commit ─┼─ answer
    write ─┘   (one hop to the    └─ answer
                writer)

A lone write is committed at once; under load, many writes share one sync of the disk. A *patient*
write, which nothing waits for, is held back for a moment to share a commit.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeVar

from taskqueue.errors import StorageUnavailable
from taskqueue.process.quick_loop import is_quiet
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.measures import CommitMeasures
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.sqlite.commit.batch import Committed, Result
from taskqueue.storage.sqlite.commit.call import CommitCall
from taskqueue.storage.sqlite.commit.foreign import ForeignCommits
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.pickling import NotSent
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.wal import part
from taskqueue.storage.sqlite.errors import WriterLost

T = TypeVar("T")

# How many turns of the loop a write waits for others. A claim follows an insert, and the next
# request an answer, within so many turns. They take microseconds, a commit takes hundreds.
TURNS = 3

# A turn that takes longer than BUSY_S does other work, which may be about to write as well. Such
# turns do not count, for up to GATHER_S: fewer commits leave more time to a busy loop. On a loop
# that has nothing else to run, a write does not wait.
BUSY_S = 0.000_05
GATHER_S = 0.005

# A serial caller sends the next request about a millisecond after the last answer. By then the task
# before has ended, and its settlement shares a commit with the next insert.
PATIENCE_S = 0.003

# How many patient writes wait at a time: a crash of the process may repeat as many tasks.
MOST_PATIENT = 1


class Write(Generic[T]):
    """An operation that waits for its commit, and the future of its answer."""

    def __init__(self, operation: Callable[[Transaction], T], answer: asyncio.Future[T]) -> None:
        self.operation = operation
        self._answer = answer

    def resolve(self, result: Result) -> None:
        """Answer the caller, if it still waits."""
        if self._answer.done() or self._answer.get_loop().is_closed():
            return
        if result.error is not None:
            self._answer.set_exception(result.error)
        else:
            self._answer.set_result(result.value)


class Writer:
    """The one writer of a database file."""

    def __init__(
        self,
        connection: ThreadConnection | ProcessConnection,
        watch: FileWatch,
        *,
        patience_s: float,
        commits: CommitMeasures,
        on_group_end: Callable[[GroupEnd], object],
        foreign: ForeignCommits | None,
    ) -> None:
        """Create a writer.

        Args:
            connection: the writing connection.
            watch: the file that it has open.
            patience_s: longest wait for writers of other connections, in seconds.
            commits: counts the commits.
            on_group_end: called for each group that has ended.
            foreign: notified of each commit, because a commit also detects those of others.
        """
        self._connection = connection
        self._patience_s = patience_s
        self._commits = commits
        self._on_group_end = on_group_end
        self._foreign = foreign
        self._commit_began = 0.0  # by the clock of the loop
        self._watch = watch
        self._pending: list[Write[Any]] = []
        self._is_urgent = False  # a pending write is not patient
        self._patience: asyncio.TimerHandle | None = None  # ends the wait of the patient writes
        self._alone: list[
            Write[Any]
        ] = []  # writes of a commit that could not be sent: each gets its own
        self._committing: list[Write[Any]] = []
        self._turns: deque[asyncio.Future[None]] = deque()  # of `held`
        self._turn_is_due = False  # a commit has begun since the first of them was asked for
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.rows_changed = 0
        """Rows that all commits so far have changed, rolled back or not."""

    def write(
        self, operation: Callable[[Transaction], T], *, patient: bool = False
    ) -> asyncio.Future[T]:
        """Return the future of the operation's result; it is set after the commit.

        Operations are applied in the order of the calls. Cancelling the future does not cancel the
        operation. An operation that raises fails alone. One that raises `TransactionLost` is run
        again with all others, and must not raise it twice. A `patient` operation waits up to
        `PATIENCE_S` to share a commit.

        Raises:
            StorageUnavailable: the writer is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._pending.append(Write(operation, answer))
        if not patient or len(self._pending) > MOST_PATIENT:
            self.flush()
        elif self._patience is None:
            self._patience = loop.call_later(PATIENCE_S, self.flush)
        return answer

    def flush(self) -> None:
        """Commit the waiting patient writes now."""
        if self._pending:
            self._is_urgent = True
            self._begin()

    def _begin(self) -> None:
        """Commit soon, unless that is under way."""
        if self._idle.is_set():
            self._idle.clear()
            self._commit_soon(asyncio.get_running_loop())

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Commit nothing during the block, so that another connection can write.

        Writes that already wait are committed before. Blocks and commits take turns, so each waits
        for at most one of the other.

        Raises:
            StorageUnavailable: the writer is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._turns.append(turn)
        self.flush()
        self._begin()
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # the turn has come just now
                self._commit_soon(loop)
            raise
        try:
            yield
        finally:
            self._commit_soon(loop)

    async def part(self) -> None:
        """Refuse new writes and commit the waiting ones.

        If the file was moved or its log removed, checkpoint what only the log has.

        Raises:
            StorageUnavailable: the log was removed and cannot be checkpointed. Nothing of it is
                lost while this connection is open.
        """
        self._closed = True
        self.flush()
        await self._idle.wait()
        with contextlib.suppress(WriterLost):
            await self._connection.run(partial(part, self._watch))

    async def close(self) -> None:
        """Close the connection, after `part`."""
        await self._connection.close()

    def abandon(self, then: Callable[[], object]) -> None:
        """Close without waiting: the commit in progress finishes, waiting writes are dropped.

        All of them get `StorageUnavailable`; `then` is called when the thread is done.
        """
        self._closed = True
        self._end_patience()
        unanswered = [*self._committing, *self._alone, *self._pending]
        self._committing, self._alone, self._pending = [], [], []
        for write in unanswered:
            write.resolve(Result(error=StorageUnavailable("closed before the commit was known")))
        self._turns.clear()
        self._connection.abandon(then)

    def _commit_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commit in a few turns of the loop; writes that arrive until then share the commit."""
        now = loop.time()
        loop.call_soon(self._gather, loop, TURNS, now, now + GATHER_S)

    def _gather(
        self, loop: asyncio.AbstractEventLoop, turns: int, since: float, until: float
    ) -> None:
        """End a turn that began at `since`, with `turns` left. After `until` every turn counts."""
        now = loop.time()
        is_busy = now - since > BUSY_S
        if not is_busy or now > until:
            turns -= 1
        if turns and not is_quiet(loop):
            loop.call_soon(self._gather, loop, turns, now, until)
        else:
            self._commit_pending()

    def _end_patience(self) -> None:
        self._is_urgent = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _commit_pending(self) -> None:
        while self._turns and self._turns[0].cancelled():
            self._turns.popleft()
        if self._turns and (self._turn_is_due or not (self._alone or self._is_urgent)):
            self._turn_is_due = False
            self._turns.popleft().set_result(None)
            return
        self._turn_is_due = bool(self._turns)
        if self._alone:
            self._committing = [self._alone.pop(0)]
        elif self._is_urgent:
            self._end_patience()
            self._committing, self._pending = self._pending, []
        else:
            self._idle.set()
            return
        operations = [write.operation for write in self._committing]
        self._commit_began = asyncio.get_running_loop().time()
        if self._foreign is not None:
            self._foreign.commit_begins()
        hop = self._connection.run(CommitCall(operations, self._watch, self._patience_s))
        hop.add_done_callback(self._committed)

    def _committed(self, hop: asyncio.Future[Committed]) -> None:
        committing, self._committing = self._committing, []
        defect, version = hop.exception(), None
        if isinstance(defect, NotSent) and len(committing) > 1:
            self._alone, committing = committing, []
            results = []
        elif defect is not None:
            results = [Result(error=defect)] * len(committing)
        else:
            results, refused, ended, rows_changed, version = hop.result()
            self.rows_changed += rows_changed
            took_s = asyncio.get_running_loop().time() - self._commit_began
            self._commits.committed(took_s, rows_changed)
            tell_refused(refused)
            for end in ended:
                self._on_group_end(end)
        if self._foreign is not None:
            self._foreign.commit_ended(version)
        for write, result in zip(committing, results, strict=False):  # none after `abandon`
            write.resolve(result)
        if self._alone or self._is_urgent or self._turns:
            self._commit_soon(asyncio.get_running_loop())
        else:
            self._idle.set()
