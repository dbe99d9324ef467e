"""Connections to the server: made when they are needed, made again when they are lost.

The group commit has one to itself, and queries share those of `readers`. A session has no state
that matters, except that without a pooler the writer's holds a lock: see `serving`. A pooler in
transaction mode may give each transaction another session.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ssl import SSLError
from typing import Any, Protocol, TypeAlias

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import (
    MISSING_DRIVER,
    is_lost,
    line_of,
    may_restart,
    storage_error,
    translated,
)

CONNECT_S = 10.0
AGAIN_S = 0.1

Row: TypeAlias = tuple[Any, ...]
"""What a query answers: asyncpg's records can be read as tuples, by place."""


class SQL(Protocol):
    """What operations and queries use of a connection; parameters are `$1`, `$2`, …"""

    async def execute(self, query: str, *args: object) -> str:
        """Run a statement; return its command tag, such as `UPDATE 3`."""
        ...

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Return all rows."""
        ...

    async def fetchrow(self, query: str, *args: object) -> Row | None:
        """Return the first row, None if there is none."""
        ...

    async def fetchval(self, query: str, *args: object) -> Any:
        """Return the first column of the first row, None if there is none."""
        ...


class Connection(SQL, Protocol):
    """A connection of asyncpg, as far as it is used here."""

    async def close(self, *, timeout: float | None = None) -> None: ...

    def terminate(self) -> None: ...

    def is_closed(self) -> bool: ...

    def get_server_pid(self) -> int: ...

    def transaction(self, *, isolation: str | None = None) -> Any: ...

    async def prepare(self, query: str, *, name: str) -> Any: ...

    async def set_type_codec(self, typename: str, **how: object) -> None: ...

    def add_termination_listener(self, callback: Callable[["Connection"], object]) -> None: ...

    async def add_listener(
        self, channel: str, callback: Callable[["Connection", int, str, object], object]
    ) -> None: ...


async def connect(database: PostgresDatabase, *, prepares: bool = True) -> Connection:
    """Open a connection.

    Args:
        database: where.
        prepares: keep statements prepared, unless a pooler in transaction mode stands between.

    Raises:
        StorageUnavailable: the server cannot be reached or refuses, or the driver is missing.
    """
    try:
        import asyncpg  # noqa: PLC0415 - an extra, and only this engine needs it
    except ImportError as error:
        raise StorageUnavailable(MISSING_DRIVER) from error
    for name, path in database.files.items():
        if not os.access(path, os.R_OK):  # the driver would not say which
            raise StorageUnavailable(f"{database}: {name} is a file that cannot be read: {path}")
    with translated(str(database)):
        try:
            connection: Connection = await asyncpg.connect(
                database.dsn,
                timeout=CONNECT_S,
                statement_cache_size=256 if prepares and not database.has_pooler else 0,
                server_settings={"application_name": "taskqueue"},
            )
        except asyncpg.exceptions.ClientConfigurationError as error:
            raise StorageUnavailable(f"{database}: {line_of(error)}") from error
        except SSLError:  # one kind of which is a ValueError as well
            raise
        except ValueError as error:  # its text may repeat the URL, with the password
            raise StorageUnavailable(f"{database}: {type(error).__name__}") from None
        except asyncpg.PostgresError as error:  # whatever it is, the server lets nobody in
            refused = StorageUnavailable(f"{database}: {line_of(error)}")
            raise storage_error(error, str(database)) or refused from error
        return connection


async def connect_within(database: PostgresDatabase, seconds: float) -> Connection:
    """Open a connection; a server that may be restarting is waited for.

    Raises:
        StorageUnavailable: it is still so after so many seconds, or it refuses for another reason.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await connect(database)
        except StorageUnavailable as error:
            if not may_restart(error) or asyncio.get_running_loop().time() >= deadline:
                raise
        await asyncio.sleep(AGAIN_S)


def drop(connection: Connection) -> None:
    """End a connection at once, even if its loop has ended."""
    with contextlib.suppress(RuntimeError):
        connection.terminate()


def changed_rows(tag: str) -> int:
    """Return how many rows a statement has changed, by its command tag."""
    *_, last = tag.split(" ")
    return int(last) if last.isdigit() else 0


class Kept:
    """One connection that is made again after it was lost."""

    def __init__(
        self,
        database: PostgresDatabase,
        check: Callable[["Connection"], Awaitable[None]],
        on_loss: Callable[[StorageLost], object] = lambda _: None,
    ) -> None:
        """Keep a connection to `database`, each of which `check` accepts or raises.

        `on_loss` is called when one ends by itself.
        """
        self._database = database
        self._check = check
        self._on_loss = on_loss
        self._connection: Connection | None = None
        self._closed = False

    async def get(self) -> Connection:
        """Return the connection, a new one if there is none that is open."""
        self._require_open()
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> Connection:
        connection = await connect(self._database)
        try:
            with translated(str(self._database)):
                async with transaction(connection):  # see `Readers`
                    await self._check(connection)
            self._require_open()
        except BaseException:
            drop(connection)
            raise
        connection.add_termination_listener(self._ended)
        return connection

    def _require_open(self) -> None:
        if self._closed:
            raise StorageUnavailable("closed")

    def _ended(self, connection: Connection) -> None:
        if not self._closed and connection is self._connection:
            self._connection = None
            self._on_loss(StorageLost(f"{self._database}: the connection has ended"))

    def forget(self) -> None:
        """Drop the connection: the next call makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)

    async def close(self) -> None:
        """Close it; later calls are refused."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=CONNECT_S)
            except Exception:  # noqa: BLE001  lost, or the server does not answer
                drop(connection)

    def abandon(self) -> None:
        """Drop it without waiting; later calls are refused."""
        self._closed = True
        self.forget()


_BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

NOT_FROZEN = "SET LOCAL idle_in_transaction_session_timeout = '5s'"
"""Has the server end a session whose node is frozen inside a transaction: it would keep its locks,
and the space of what is deleted."""


@asynccontextmanager
async def transaction(connection: Connection, *, idles: bool = False) -> AsyncIterator[None]:
    """Have all queries of the block see the same commits; it may not write.

    The server ends it when it is idle for seconds, unless the block is one that `idles`.
    """
    await connection.execute(_BEGIN if idles else f"{_BEGIN}; {NOT_FROZEN}")
    try:
        yield
    except Exception as error:
        if not is_lost(error):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
