"""One commit: a batch of operations in one transaction; if one fails, each in its own.

This may run in the writer process, so arguments and results can be pickled and imports are few.
"""

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.sqlite.commit.transaction import Transaction, refresh_schema
from taskqueue.storage.sqlite.disk.faults import storage_error
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.wal import data_version
from taskqueue.storage.sqlite.handler_sql.execution import TransactionLost
from taskqueue.storage.sqlite.operations.groups import write_counts

_ASK_AGAIN_S = 0.001

Operation: TypeAlias = Callable[[Transaction], Any]


class Result(NamedTuple):
    """What one operation has returned or raised."""

    value: Any = None
    error: BaseException | None = None


class Committed(NamedTuple):
    """The results of the operations of one commit, in order."""

    results: list[Result]
    refused: list[tuple[NewTask, Accepted]]  # see `Transaction.refused`
    ended: list[GroupEnd]
    rows_changed: int  # undone or not
    version: int | None  # `disk.wal.data_version` as it began; None if it could not


def commit(
    operations: Sequence[Operation],
    watch: FileWatch,
    patience_s: float,
    db: sqlite3.Connection,
) -> Committed:
    """Apply all operations in order; their effect is durable when this returns.

    An operation that raises fails alone. One that raises `TransactionLost` is run again with all
    others, and must not raise it twice. Waits up to `patience_s` for other writers.
    """
    before = db.total_changes
    committing = _Committing(watch, patience_s, db)
    results = committing.commit(operations)
    changed = db.total_changes - before
    return Committed(results, committing.refused, committing.ended, changed, committing.version)


class _Committing:
    def __init__(self, watch: FileWatch, patience_s: float, db: sqlite3.Connection) -> None:
        self.refused: list[tuple[NewTask, Accepted]] = []
        self.ended: list[GroupEnd] = []
        self.version: int | None = None
        self._watch = watch
        self._patience_s = patience_s
        self._db = db

    def commit(self, operations: Sequence[Operation]) -> list[Result]:
        """Run them in one transaction; if one of them fails, each in its own."""
        try:
            self._watch.check()
            tx, values = transact(self._db, operations, self._patience_s)
            self._watch.check()  # a commit into a removed file is not durable
        except Exception as error:  # noqa: BLE001  an operation's error belongs to its caller alone
            path = self._watch.path
            if storage_error(error, path) is None and len(operations) > 1:
                return [result for each in operations for result in self.commit([each])]
            # An error each, because each is raised to another caller.
            return [Result(error=storage_error(error, path) or error) for _ in operations]
        self.refused += tx.refused
        self.ended += tx.ended
        self.version = tx.version
        return [Result(value) for value in values]


def transact(
    db: sqlite3.Connection, operations: Sequence[Operation], patience_s: float
) -> tuple[Transaction, list[Any]]:
    """Commit all operations or none; return what they return, and their transaction."""
    while True:
        try:
            return _try(db, operations, patience_s)
        except TransactionLost:
            continue  # its operation does not raise this twice


def _try(
    db: sqlite3.Connection, operations: Sequence[Operation], patience_s: float
) -> tuple[Transaction, list[Any]]:
    _begin(db, patience_s)
    try:
        refresh_schema(db)
        tx = Transaction(db)
        tx.version = data_version(db)
        values = [operation(tx) for operation in operations]
        write_counts(tx)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # a full disk has rolled it back already
            db.execute("ROLLBACK")
        raise
    return tx, values


def _begin(db: sqlite3.Connection, patience_s: float) -> None:
    """Begin to write as soon as no other connection does.

    Polls the lock, because SQLite's busy handler sleeps longer each time: beside busy writers it
    would rarely be awake when the lock is free.
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
