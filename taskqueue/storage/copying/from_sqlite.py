# ruff: noqa: S608  the only texts put together here are those of `tables`
"""Reads a SQLite file for a copy, under its lock."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.copying.rows import Chunk, Key, Row, canonical
from taskqueue.storage.copying.tables import Table
from taskqueue.storage.sqlite.backend import HANDOVER_S
from taskqueue.storage.sqlite.connections.set_up import connect
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.lock import FileLock, real_path
from taskqueue.storage.sqlite.schema import runner


class SQLiteReader:
    """The rows of a file, through a connection that nothing is written beside."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    async def left_out(self) -> tuple[str, ...]:
        """Return the tables of handlers' own, which are in the same file."""
        with translated(self._path):
            return runner.other_tables(self._db)

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        with translated(self._path):
            [rows] = self._db.execute(f"SELECT count(*) FROM main.{table.name}").fetchone()
        return int(rows)

    async def chunks(self, table: Table, after: Key | None = None) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows in the order of their keys, those behind `after`."""
        chunk = Chunk()
        with translated(self._path):
            for row in self._db.execute(_select(table, after), after or ()):
                if chunk.add(canonical(table, row)):
                    yield chunk.rows
                    await asyncio.sleep(0)  # SQLite never waits: else a Ctrl-C had to
                    chunk = Chunk()
        if chunk.rows:
            yield chunk.rows


@asynccontextmanager
async def reading(database: SQLiteDatabase) -> AsyncIterator[SQLiteReader]:
    """Lock a file and read one snapshot of it; programs that write through it have to wait.

    Raises:
        StorageUnavailable: there is none, a service holds it, or it cannot be read.
        StorageCorrupt, ForeignSchema: it is no database of the queue.
        SchemaMismatch: it is of another release.
    """
    path = database.path
    if not path.exists():
        raise StorageUnavailable(f"there is no {path}")
    lock = await FileLock.take(path, within_s=HANDOVER_S)
    try:
        with closing(_connected(path)) as db:
            yield SQLiteReader(db, path)
    finally:
        lock.release()


def _connected(path: Path) -> sqlite3.Connection:
    def set_up(db: sqlite3.Connection) -> None:
        runner.require_ours(db, path)
        runner.require_version(db)
        # Clients that write through the file do not take its lock; SQLite makes them wait.
        db.execute("BEGIN IMMEDIATE")

    return connect(real_path(path), "rw", busy_timeout_s=HANDOVER_S, set_up=set_up)


def _select(table: Table, after: Key | None) -> str:
    order = ", ".join(table.key)
    behind = f"WHERE ({order}) > ({', '.join('?' * len(table.key))})" if after else ""
    return f"SELECT {', '.join(table.columns)} FROM main.{table.name} {behind} ORDER BY {order}"
