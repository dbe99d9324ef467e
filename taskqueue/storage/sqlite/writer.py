"""Commits everything that waits in one transaction, and again as soon as that one ended.

    write ─┐                      ┌─ answer
    write ─┼─▶ pending ─▶ commit ─┼─ answer      meanwhile the next ones gather
    write ─┘   (one hop to the    └─ answer
                writer's thread)

There is no timer: a lone write is committed at once, and the more come together, the more share
one sync of the disk.
"""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connection import Connection
from taskqueue.storage.sqlite.faults import storage_error
from taskqueue.storage.sqlite.file import FileWatch
from taskqueue.storage.sqlite.handler_sql import TransactionLost
from taskqueue.storage.sqlite.transaction import Transaction

T = TypeVar("T")

_ASK_AGAIN_S = 0.001

# An insert brings a claim, an answer the next request: the way from one to the other, in turns of
# the loop. They take some microseconds, a commit of its own takes hundreds.
TURNS = 3

# In a turn that takes longer than an idle one others are at work, who may be about to write as
# well: it does not count, for so long at most. The fewer commits compete with a busy loop for the
# interpreter, the more both get done. An idle loop waits for nobody.
BUSY_S = 0.000_05
GATHER_S = 0.005


class Write(Generic[T]):
    """An operation that waits for its commit, and how it went."""

    def __init__(self, operation: Callable[[Transaction], T], answer: asyncio.Future[T]) -> None:
        self.operation = operation
        self.result: T | None = None
        self.error: BaseException | None = None
        self._answer = answer

    def resolve(self) -> None:
        """Tell the caller, if it is still there to be told."""
        if self._answer.done() or self._answer.get_loop().is_closed():
            return
        if self.error is not None:
            self._answer.set_exception(self.error)
        else:
            self._answer.set_result(self.result)  # type: ignore[arg-type]


class Writer:
    """The one writer of a database file."""

    def __init__(
        self, connection: Connection, path: Path, watch: FileWatch, *, patience_s: float
    ) -> None:
        """Make a writer that waits at most `patience_s` seconds for others to let it begin."""
        self._connection = connection
        self._patience_s = patience_s
        self._path = path
        self._watch = watch
        self._pending: list[Write[Any]] = []
        self._committing: list[Write[Any]] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self.rows_changed = 0
        """By all commits so far, undone or not."""

    def write(self, operation: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Answer with what `operation` returns, once that is committed.

        Operations are applied in the order of the calls. Cancelling the answer changes nothing for
        the operation, nor for those that share its commit. An operation that raises fails alone.
        One that raises `TransactionLost` is run again with all others, and must not raise it twice.

        Raises:
            StorageUnavailable: the writer is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        self._pending.append(Write(operation, answer))
        if self._idle.is_set():
            self._idle.clear()
            self._commit_soon(loop)
        return answer

    async def close(self) -> None:
        """Refuse what comes, commit what waits, close the connection."""
        self._closed = True
        await self._idle.wait()
        await self._connection.run(self._part)
        await self._connection.close()

    def abandon(self, then: Callable[[], object]) -> None:
        """Let go without waiting. What is being committed ends first, what waits is never begun.

        All are answered `StorageUnavailable`; `then` is called when the thread is done.
        """
        self._closed = True
        unanswered = [*self._committing, *self._pending]
        self._committing, self._pending = [], []
        for write in unanswered:
            write.error = StorageUnavailable("closed before the commit was known")
            write.resolve()
        self._connection.abandon(then)

    def _part(self, db: sqlite3.Connection) -> None:
        """Let a file that was moved take all its commits along.

        Else those that are only in the log stay behind, and another file in its place gets them.
        """
        with contextlib.suppress(sqlite3.Error, OSError):
            if not self._watch.is_there():
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _commit_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Commit in a few turns of the loop: whoever is about to write shares this commit."""
        now = loop.time()
        loop.call_soon(self._gather, loop, TURNS, now, now + GATHER_S)

    def _gather(
        self, loop: asyncio.AbstractEventLoop, turns: int, since: float, until: float
    ) -> None:
        """End a turn that began at `since`; `turns` are left. After `until` each one counts."""
        now = loop.time()
        is_busy = now - since > BUSY_S
        if not is_busy or now > until:
            turns -= 1
        if turns:
            loop.call_soon(self._gather, loop, turns, now, until)
        else:
            self._commit_pending()

    def _commit_pending(self) -> None:
        if not self._pending:
            self._idle.set()
            return
        self._committing, self._pending = self._pending, []
        hop = self._connection.run(
            partial(_commit_all, self._path, self._watch, self._committing, self._patience_s)
        )
        hop.add_done_callback(self._committed)

    def _committed(self, hop: asyncio.Future[int]) -> None:
        defect = hop.exception()
        if defect is None:
            self.rows_changed += hop.result()
        committed, self._committing = self._committing, []
        for write in committed:
            write.error = write.error or defect
            write.resolve()
        self._commit_soon(asyncio.get_running_loop())


def _commit_all(
    path: Path,
    watch: FileWatch,
    batch: Sequence[Write[Any]],
    patience_s: float,
    db: sqlite3.Connection,
) -> int:
    """Run the batch; return how many rows that has changed."""
    before = db.total_changes
    _commit(path, watch, batch, patience_s, db)
    return db.total_changes - before


def _commit(
    path: Path,
    watch: FileWatch,
    batch: Sequence[Write[Any]],
    patience_s: float,
    db: sqlite3.Connection,
) -> None:
    """Run the batch in one transaction; if one of it fails, each in its own."""
    try:
        watch.check()
        results = _transact(db, batch, patience_s)
        watch.check()  # only what is still there may be called durable
    except Exception as error:  # noqa: BLE001  an operation's error belongs to its caller alone
        if storage_error(error, path) is not None or len(batch) == 1:
            for write in batch:  # an error each, because each is raised to another caller
                write.error = storage_error(error, path) or error
        else:
            for write in batch:
                _commit(path, watch, [write], patience_s, db)
    else:
        for write, result in zip(batch, results, strict=True):
            write.result = result


def _transact(db: sqlite3.Connection, batch: Sequence[Write[Any]], patience_s: float) -> list[Any]:
    while True:
        try:
            return _try(db, batch, patience_s)
        except TransactionLost:
            continue  # its operation knows by now, and so this comes to an end


def _try(db: sqlite3.Connection, batch: Sequence[Write[Any]], patience_s: float) -> list[Any]:
    _begin(db, patience_s)
    try:
        tx = Transaction(db)
        results = [write.operation(tx) for write in batch]
        tx.write_counts()
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise
    return results


def _begin(db: sqlite3.Connection, patience_s: float) -> None:
    """Begin to write, as soon as nobody else does.

    Asked for often, because SQLite's own waiting sleeps longer and longer: beside others that write
    all the time it would hardly ever be awake when the lock is free.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY  # in whatever way
            if not is_busy or time.monotonic() >= end:
                raise
            time.sleep(_ASK_AGAIN_S)
        else:
            return
