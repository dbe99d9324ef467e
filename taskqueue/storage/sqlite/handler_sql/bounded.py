"""What runs in a process of its own, because it may have to be killed: operations of handlers.

SQLite can be interrupted between two of its steps, but one step may search a long text for minutes.
So the kernel is told to end the process a moment after the time of an operation is up.
"""

import copy
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from taskqueue.errors import StatementRefused
from taskqueue.storage.sqlite.commit.batch import Committed, Operation, Result, commit
from taskqueue.storage.sqlite.commit.transaction import Transaction, refresh_schema
from taskqueue.storage.sqlite.connections.set_up import SetUp, require, set_up_reader
from taskqueue.storage.sqlite.disk.faults import storage_error
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.handler_sql.execution import TransactionLost
from taskqueue.storage.sqlite.operations.groups import write_counts
from taskqueue.storage.sqlite.operations.settling import NotBegun

KILLED = -signal.SIGALRM
"""The exit code of a process that was killed because the time was up."""

# An operation that is interrupted says so, and undoes what it did, within this time.
_GRACE_S = 0.25

# Operations share a commit as long as they are short: no other commit runs meanwhile.
SHARE_S = 0.05

_IN_MEMORY = 2  # of `PRAGMA temp_store`
_MOST_MEMORY_BYTES = 128 * 1024 * 1024


class NeedsWriter:
    """The answer to a dry run that cannot be done by reading alone."""


class BoundedOperation(NamedTuple):
    """An operation with statements of a handler, and the time that they may take."""

    run: Operation
    limit_s: float


BoundedOperations: TypeAlias = Sequence[BoundedOperation]
Serve: TypeAlias = Callable[[BoundedOperations, FileWatch, float, sqlite3.Connection], Committed]


def set_up_writing(db: sqlite3.Connection, *, set_up: SetUp) -> None:
    """Set a connection up as `set_up` does for any that writes, and confine its process."""
    set_up(db)
    # What a transaction changes stays in memory, and so its size is bounded, and that of its sync.
    require(db, "cache_spill", 0)
    _confine(db)


def set_up_reading(db: sqlite3.Connection) -> None:
    """Keep a connection from writing, and confine its process."""
    set_up_reader(db)
    _confine(db)


def _confine(db: sqlite3.Connection) -> None:
    require(db, "temp_store", _IN_MEMORY)
    require(db, "trusted_schema", 0)
    require(db, "hard_heap_limit", _MOST_MEMORY_BYTES)  # of the process
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the parent of the service may ignore it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])


def serve_writing(
    operations: BoundedOperations, watch: FileWatch, patience_s: float, db: sqlite3.Connection
) -> Committed:
    """Apply operations in one commit, as many as are short; one that raises fails alone."""
    until = time.monotonic() + SHARE_S
    committed = commit([partial(_apply, operations, until, watch.path)], watch, patience_s, db)
    [result] = committed.results
    if result.error is not None:
        return committed._replace(
            results=[Result(error=copy.copy(result.error)) for _ in operations]
        )
    return committed._replace(results=result.value)


def serve_reading(
    operations: BoundedOperations, watch: FileWatch, _patience_s: float, db: sqlite3.Connection
) -> Committed:
    """Run dry runs, as many as are short, each on what is committed; `NeedsWriter` if it writes.

    Nothing is locked, and no commit waits.
    """
    until = time.monotonic() + SHARE_S
    results = [
        _read(operation, watch, db) if not place or time.monotonic() < until else Result(NotBegun())
        for place, operation in enumerate(operations)
    ]
    return Committed(results, refused=[], ended=[], rows_changed=0, version=None)


def _apply(
    operations: BoundedOperations, until: float, path: Path, tx: Transaction
) -> list[Result]:
    return [
        _in_savepoint(operation, path, tx)
        if not place or time.monotonic() < until
        else Result(NotBegun())
        for place, operation in enumerate(operations)
    ]


def _in_savepoint(operation: BoundedOperation, path: Path, tx: Transaction) -> Result:
    own = Transaction(tx.db)
    tx.db.execute("SAVEPOINT bounded")
    try:
        with _killed_after(operation.limit_s + _GRACE_S):
            value = operation.run(own)
            write_counts(own)
            tx.db.execute("RELEASE bounded")
    except TransactionLost:
        raise
    except Exception as error:
        if storage_error(error, path) is not None or not tx.db.in_transaction:
            raise
        tx.db.execute("ROLLBACK TO bounded")
        tx.db.execute("RELEASE bounded")
        return Result(error=error)
    tx.refused += own.refused
    tx.ended += own.ended
    return Result(value)


def _read(operation: BoundedOperation, watch: FileWatch, db: sqlite3.Connection) -> Result:
    try:
        watch.check()
        db.execute("BEGIN")
        try:
            refresh_schema(db)
            with _killed_after(operation.limit_s + _GRACE_S):
                value = operation.run(Transaction(db))
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
    except Exception as error:  # noqa: BLE001  an operation's error belongs to its caller alone
        return Result(error=storage_error(error, watch.path) or error)
    return Result(NeedsWriter() if _would_write(value) else value)


def _would_write(value: object) -> bool:
    cause = value.__cause__ if isinstance(value, StatementRefused) else None
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF == sqlite3.SQLITE_READONLY


@contextmanager
def _killed_after(limit_s: float) -> Iterator[None]:
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
