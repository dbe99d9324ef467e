"""Commits everything that waits in one transaction, and again as soon as that one ended.

    write ─┐                      ┌─ answer
    write ─┼─▶ pending ─▶ commit ─┼─ answer      meanwhile the next ones gather
    write ─┘   (BEGIN … COMMIT,   └─ answer
                one connection)

There is no timer: a lone write is committed at once, and the more come together, the more share one
sync of the server's disk.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.follow_ups import tell_refused
from taskqueue.storage.postgres.connections import Connection, Kept
from taskqueue.storage.postgres.errors import (
    CommitUndecided,
    GatesBusy,
    LocksHeld,
    is_conflict,
    is_lock_timeout,
    is_lost,
    is_of_session,
    storage_error,
)
from taskqueue.storage.postgres.operations.groups import write_counts
from taskqueue.storage.postgres.patience import (
    COMMIT_S,
    HELD_S,
    LIMITS,
    ONE_S,
    Patience,
    holder_of_locks,
    limit_of_locks,
)
from taskqueue.storage.postgres.serving import SHARE_FOR_A_COMMIT
from taskqueue.storage.postgres.transaction import Operation, Transaction
from taskqueue.storage.postgres.writes import Write

T = TypeVar("T")

TURNS = 3
"""How many turns of the loop a commit gathers for: an insert brings a claim."""

MOST_TRIES = 12
"""How often a commit is tried that loses to those of other nodes."""

RETRY_S = 0.01

# A database that is set to answer before its disk has the commit would break the first promise.
DURABLY = """
SELECT set_config('synchronous_commit', 'on', true)
WHERE current_setting('synchronous_commit') = 'off'
"""
BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {LIMITS}; {DURABLY}"


def begin(*, takes_share: bool, lock_s: float | None = None) -> str:
    """Return the statements that a commit of a service begins with.

    With `takes_share` it waits while the database is being copied: see `serving`. With `lock_s` it
    waits for no lock longer than that.
    """
    statements = [BEGIN]
    if lock_s is not None:
        statements.append(limit_of_locks(lock_s))
    if takes_share:
        statements.append(SHARE_FOR_A_COMMIT)
    return ";".join(statements)


class Committed(NamedTuple):
    """What a transaction has left behind for those outside it."""

    values: list[Any]
    refused: list[tuple[NewTask, Accepted]]
    ended: list[GroupEnd]
    rows_changed: int
    is_news: bool


class Writer:
    """The one writer of a storage."""

    def __init__(
        self,
        kept: Kept,
        where: str,
        *,
        commits: CommitMeasures,
        on_group_end: Callable[[GroupEnd], object],
        shares_each_commit: bool = False,
        on_news: Callable[[], object] = lambda: None,
        most: int | None = None,
    ) -> None:
        """Write over `kept`, which it owns.

        Args:
            kept: the connection.
            where: the database, for errors.
            commits: counts what is committed.
            on_group_end: called for each group that has ended.
            shares_each_commit: its session may hold no share of the lock of `serving`.
            on_news: called after each commit that other nodes should know of.
            most: how many operations share a commit; None: all that wait.
        """
        self._kept = kept
        self._where = where
        self._shares_each_commit = shares_each_commit
        self._commits = commits
        self._on_group_end = on_group_end
        self._on_news = on_news
        self._most = most
        self._pending: list[Write[Any]] = []
        self._committing: list[Write[Any]] = []
        self._running: asyncio.Task[None] | None = None
        self._closed = False
        self._held_until = -math.inf  # as far as is known, others hold locks

    def write(self, operation: Callable[[Transaction], Awaitable[T]]) -> "asyncio.Future[T]":
        """Answer with what `operation` returns, once that is committed.

        Operations are applied in the order of the calls. Cancelling the answer changes nothing for
        the operation, nor for those that share its commit. One that raises fails alone. It may be
        run several times, each in another transaction of which at most one commits.

        Raises:
            StorageUnavailable: the writer is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._pending.append(Write(operation, answer))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return answer

    async def close(self) -> None:
        """Refuse what comes, commit what waits, close the connection."""
        self._closed = True
        if self._running is not None:
            await asyncio.wait({self._running})
        await self._kept.close()

    def abandon(self) -> None:
        """Let go without waiting. What is being committed may be written, what waits is not begun.

        All are answered `StorageUnavailable`.
        """
        self._closed = True
        unanswered = [*self._committing, *self._pending]
        self._committing, self._pending = [], []
        for write in unanswered:
            write.fail(StorageUnavailable("closed before the commit was known"))
        if self._running is not None and not self._running.get_loop().is_closed():
            self._running.cancel()
        self._kept.abandon()

    async def _run(self) -> None:
        try:
            while True:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                if not self._pending:
                    return
                self._committing = self._pending[: self._most]
                self._pending = self._pending[len(self._committing) :]
                await self._commit(self._committing)
                self._committing = []
        finally:
            self._running = None
            left, self._pending = self._pending, []
            for write in (*self._committing, *left):  # a defect of ours, or abandoned
                write.fail(StorageLost("the writer has ended"))

    async def _commit(self, writes: Sequence[Write[Any]]) -> None:
        """Commit all writes or, if one of them fails or has to wait for locks, each alone."""
        is_held = asyncio.get_running_loop().time() < self._held_until
        error = await self._try_to_commit(writes, ONE_S if is_held else None)
        if error is None:
            return
        held = await self._held(error)
        if len(writes) > 1 and (held or storage_error(error, self._where) is None):
            await self._commit_each(writes, held)
            return
        for write in writes:
            self._fail(write, held or error)

    async def _commit_each(self, writes: Sequence[Write[Any]], held: LocksHeld | None) -> None:
        patience, loop = Patience(), asyncio.get_running_loop()
        for write in writes:
            began = loop.time()
            error = await self._try_to_commit([write], patience.lock_s)
            if isinstance(error, LocksHeld):
                patience.has_waited(loop.time() - began)
                error = held = held or await self._held(error)
            if error is not None:
                self._fail(write, error)

    async def _held(self, error: Exception) -> LocksHeld | None:
        """Return an error that names who holds locks, if that is what has failed."""
        if not isinstance(error, LocksHeld):
            return None
        self._held_until = asyncio.get_running_loop().time() + HELD_S
        return LocksHeld(await holder_of_locks(self._kept))

    def _fail(self, write: Write[Any], error: Exception) -> None:
        # An error each, because each is raised to another caller.
        write.fail(storage_error(error, self._where) or error)

    async def _try_to_commit(
        self, writes: Sequence[Write[Any]], lock_s: float | None
    ) -> Exception | None:
        """Commit all writes and answer them, or return why none is committed."""
        began = asyncio.get_running_loop().time()
        begins = begin(takes_share=self._shares_each_commit, lock_s=lock_s)
        try:
            committed = await self._transact([write.operation for write in writes], begins)
        except Exception as error:  # noqa: BLE001  an operation's error belongs to its caller alone
            if isinstance(error, CommitUndecided | TimeoutError):
                self._on_news()  # perhaps
            return error
        took_s = asyncio.get_running_loop().time() - began
        self._commits.committed(took_s, committed.rows_changed)
        tell_refused(committed.refused)
        for end in committed.ended:
            self._on_group_end(end)
        for write, value in zip(writes, committed.values, strict=True):
            write.resolve(value)
        if committed.is_news:
            self._on_news()
        return None

    async def _transact(self, operations: Sequence[Operation], begin: str) -> Committed:
        """Commit all operations or none, again if another node was in the way.

        A connection that is lost before the commit has written nothing: that is tried again once,
        as is what may succeed on another connection.
        """
        was_lost = False
        first: frozenset[int] = frozenset()  # buckets of gates
        for tried in range(1, MOST_TRIES + 1):
            connection = await self._kept.get()
            try:
                async with asyncio.timeout(COMMIT_S):
                    return await _try(connection, begin, operations, first)
            except TimeoutError:
                self._kept.forget()
                raise
            except Exception as error:
                if is_lost(error) or is_of_session(error):
                    self._kept.forget()
                    if was_lost or isinstance(error, CommitUndecided):
                        raise
                    was_lost = True
                elif is_lock_timeout(error):
                    raise LocksHeld from error
                elif not is_conflict(error) or tried == MOST_TRIES:
                    raise
                else:
                    if isinstance(error, GatesBusy):
                        first |= error.buckets
                    await asyncio.sleep(random.uniform(0.0, RETRY_S * tried))  # noqa: S311
            except BaseException:
                self._kept.forget()  # cancelled in the middle of a transaction
                raise
        raise AssertionError("unreachable")


async def _try(
    connection: Connection, begin: str, operations: Sequence[Operation], first: frozenset[int]
) -> Committed:
    try:
        await connection.execute(begin)
        tx = Transaction(connection)
        await tx.gates.lock_first(first)
        values = [await operation(tx) for operation in operations]
        await write_counts(tx)
    except Exception as error:
        if not is_lost(error):
            await connection.execute("ROLLBACK")
        raise
    try:
        tag = await connection.execute("COMMIT")
    except Exception as error:
        if is_lost(error):
            raise CommitUndecided from error
        raise
    if tag != "COMMIT":  # an operation has hidden an error of the server
        raise StorageLost("the server has rolled the transaction back")
    return Committed(values, tx.refused, tx.ended, tx.rows_changed, tx.is_news)
