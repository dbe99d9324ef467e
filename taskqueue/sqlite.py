"""Enqueues inside a transaction of your own, on your own connection to the service's file.

    with connection:                                  # sqlite3 commits at its end, or rolls back
        connection.execute("INSERT INTO orders …")
        enqueue(connection, confirm.prepare(order_id))

The order and its task are there together, or neither is. No service has to run meanwhile; it finds
the task when it looks for work next.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiosqlite

from taskqueue.clock import SystemClock
from taskqueue.rules.keys import refuse_unaccepted
from taskqueue.rules.tasks import Accepted, NewTask
from taskqueue.storage.sqlite.commit.transaction import Transaction, refresh_schema
from taskqueue.storage.sqlite.operations import groups, inserting
from taskqueue.storage.sqlite.schema import runner

_LEGACY = -1  # `autocommit` of a connection whose `isolation_level` decides; all are before 3.12


def enqueue(
    connection: sqlite3.Connection, *tasks: NewTask, now: float | None = None
) -> tuple[Accepted, ...]:
    """Accept tasks in the connection's transaction; answer in the order given.

    They exist if and when the caller commits. If no transaction is open, one is begun, as the
    connection would for any `INSERT`; on a connection in autocommit mode, this call commits as any
    statement there does. When this raises, none of these tasks is in the transaction, but for
    `KeyConflict`, `KeyTaken` and `GroupClosed`. From here to the commit the service cannot write,
    so commit soon.

    Args:
        connection: to the service's file, of which it must be the main database.
        tasks: as `Action.prepare` and `App.prepare` make them.
        now: when they are accepted, in seconds since 1970 (UTC); None: at this moment.

    Raises:
        KeyConflict, KeyTaken, GroupClosed: a unique key belongs to a different request; one is
            held by a task that stays as it is; a group takes no more members. All other tasks are
            in the transaction.
        SchemaMismatch: the file was never migrated, or by another release.
        sqlite3.OperationalError: the file is locked for longer than the connection's timeout; full;
            not writable.
    """
    now = SystemClock().now() if now is None else now
    with _plain(connection), _transaction(connection):
        runner.require_version(connection)
        refresh_schema(connection)
        tx = Transaction(connection)
        answers = inserting.insert(tx, tasks, now=now)
        groups.write_counts(tx)
    refuse_unaccepted(tasks, answers)
    return answers


async def enqueue_async(
    connection: aiosqlite.Connection, *tasks: NewTask, now: float | None = None
) -> tuple[Accepted, ...]:
    """Do the same on a connection of aiosqlite, in one turn of its thread.

    A caller that is cancelled meanwhile does not know whether the tasks are in its transaction, and
    should roll it back.

    Raises:
        KeyConflict, GroupClosed, SchemaMismatch, sqlite3.OperationalError: as `enqueue` does.
    """

    def on_its_thread() -> tuple[Accepted, ...]:
        return enqueue(connection._conn, *tasks, now=now)  # noqa: SLF001

    # aiosqlite has no public way to run a function on its thread; statement by statement, another
    # coroutine on this connection could commit half of it
    # (test_an_aiosqlite_connection_enqueues_in_one_turn_of_its_thread).
    run_there: Any = connection._execute  # noqa: SLF001
    answers: tuple[Accepted, ...] = await run_there(on_its_thread)
    return answers


@contextmanager
def _plain(connection: sqlite3.Connection) -> Iterator[None]:
    """Have rows be tuples and text be `str`, whatever the caller has chosen for its own."""
    chosen = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str
    try:
        yield
    finally:
        connection.row_factory, connection.text_factory = chosen


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Do the block in the caller's transaction, or in one that is begun for it: whole or not."""
    joined = connection.in_transaction
    # One of our own is for writing from the start: if it had only read by the time that it comes to
    # write, and another had committed meanwhile, it would be refused whatever the timeout.
    connection.execute("SAVEPOINT taskqueue" if joined else "BEGIN IMMEDIATE")
    try:
        yield
        if joined:
            connection.execute("RELEASE taskqueue")
        elif _commits_by_itself(connection):
            connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk has rolled it back already
            _undo(connection, joined=joined)
        raise


def _undo(connection: sqlite3.Connection, *, joined: bool) -> None:
    if joined:
        connection.execute("ROLLBACK TO taskqueue")
        connection.execute("RELEASE taskqueue")
    else:
        connection.execute("ROLLBACK")


def _commits_by_itself(connection: sqlite3.Connection) -> bool:
    autocommit = getattr(connection, "autocommit", _LEGACY)
    return connection.isolation_level is None if autocommit == _LEGACY else bool(autocommit)
