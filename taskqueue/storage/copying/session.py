"""The one connection to PostgreSQL that a copy uses, which keeps services out."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol, cast

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.copying.rows import Row
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.connections import Connection, connect
from taskqueue.storage.postgres.connections import Row as Record
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.poolers import with_route

CLOSE_S = 10.0

# A snapshot idles while the other side is compared, and to count takes long.
_PATIENT = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0"


class Cursor(Protocol):
    """A cursor of asyncpg."""

    async def fetch(self, n: int) -> list[Record]: ...


class Session(Connection, Protocol):
    """A connection of asyncpg, with what only a copy uses of it."""

    async def cursor(self, query: str, *args: object) -> Cursor: ...

    async def copy_records_to_table(
        self, table_name: str, *, schema_name: str, columns: Sequence[str], records: Iterable[Row]
    ) -> str: ...


@asynccontextmanager
async def session(database: PostgresDatabase) -> AsyncIterator[Session]:
    """Open a connection that holds the database for a copy, until it is closed.

    Raises:
        StorageUnavailable: a service runs on the database, it cannot be reached, or the URL is
            that of a pooler.
    """
    if (await with_route(database)).has_pooler:
        raise StorageUnavailable(
            f"{database} leads through a pooler in transaction mode, and a copy holds a lock with "
            "its session; give the URL of the server itself, without pooler=true"
        )
    connection = cast("Session", await connect(database))
    try:
        with translated(str(database)):
            await serving.hold(connection, str(database))
            await connection.execute(_PATIENT)
        yield connection
    finally:
        # Waited for, so that a service can start as soon as the command has ended.
        try:
            await connection.close(timeout=CLOSE_S)
        except Exception:  # noqa: BLE001  lost, or the server does not answer
            connection.terminate()
