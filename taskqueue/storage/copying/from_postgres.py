# ruff: noqa: S608  the only texts put together here are those of `tables`
"""Reads a PostgreSQL database for a copy, in one snapshot."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from taskqueue.storage.copying.rows import Chunk, Key, Row, canonical
from taskqueue.storage.copying.session import Session, session
from taskqueue.storage.copying.tables import Table
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.connections import transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.schema import runner

_AT_ONCE = 64
"""How many rows are fetched at once: of the largest ones, still no more than memory holds."""


class PostgresReader:
    """The rows of a database, through a connection in a transaction."""

    def __init__(self, db: Session, where: str) -> None:
        self._db = db
        self._where = where

    async def left_out(self) -> tuple[str, ...]:
        """Return none: what the schema of the queue has is the queue's, and others are not read."""
        return ()

    async def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        with translated(self._where):
            return int(await self._db.fetchval(f"SELECT count(*) FROM taskqueue.{table.name}"))

    async def chunks(self, table: Table, after: Key | None = None) -> AsyncIterator[Sequence[Row]]:
        """Yield the rows in the order of their keys, those behind `after`."""
        chunk = Chunk()
        with translated(self._where):
            cursor = await self._db.cursor(_select(table, after), *(after or ()))
            while found := await cursor.fetch(_AT_ONCE):
                for row in map(tuple, found):
                    if chunk.add(canonical(table, row)):
                        yield chunk.rows
                        chunk = Chunk()
        if chunk.rows:
            yield chunk.rows


@asynccontextmanager
async def reading(database: PostgresDatabase) -> AsyncIterator[PostgresReader]:
    """Keep services out, and read one snapshot.

    Raises:
        StorageUnavailable: a service runs on it, it cannot be read, or is itself half a copy.
        ForeignSchema: its schema `taskqueue` is another program's.
        SchemaMismatch: it is of another release.
    """
    where = str(database)
    async with session(database) as db, transaction(db, idles=True):
        with translated(where):
            await runner.require_same_version(db, where)
            await serving.require_whole(db, where)
        yield PostgresReader(db, where)


def _select(table: Table, after: Key | None) -> str:
    columns = ", ".join(_read(table, column) for column in table.columns)
    key = ", ".join(_compared(table, column) for column in table.key)
    places = ", ".join(f"${place}" for place, _ in enumerate(table.key, 1))
    behind = f"WHERE ({key}) > ({places})" if after else ""
    return f"SELECT {columns} FROM taskqueue.{table.name} {behind} ORDER BY {key}"


def _read(table: Table, column: str) -> str:
    if column in table.reals:
        return f"{column} + 0.0"  # no zero has a sign in SQLite
    return _compared(table, column)


def _compared(table: Table, column: str) -> str:
    return f"{column}::integer" if column in table.flags else column
