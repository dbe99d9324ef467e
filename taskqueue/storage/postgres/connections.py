"""Connections to the server: made when they are needed, made again when they are lost.

Writer    one, used by the group commit alone
Readers   two, lent to one query after another

A session has no state that matters, except that without a pooler the writer's holds a lock: see
`serving`. A pooler in transaction mode may give each transaction another session.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeAlias, TypeVar

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import MISSING_DRIVER, is_lost, translated

T = TypeVar("T")

CONNECT_S = 10.0
AGAIN_S = 0.1
READERS = 2

READ_S = 30.0
"""How long a query may take, or a server that does not answer."""

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

    def transaction(self, *, isolation: str | None = None) -> Any: ...

    async def prepare(self, query: str, *, name: str) -> Any: ...

    async def set_type_codec(self, typename: str, **how: object) -> None: ...

    def add_termination_listener(self, callback: Callable[["Connection"], object]) -> None: ...

    def remove_termination_listener(self, callback: Callable[["Connection"], object]) -> None: ...

    async def add_listener(
        self, channel: str, callback: Callable[["Connection", int, str, object], object]
    ) -> None: ...


async def connect(database: PostgresDatabase) -> Connection:
    """Open a connection.

    Raises:
        StorageUnavailable: the server cannot be reached or refuses, or the driver is missing.
    """
    try:
        import asyncpg  # noqa: PLC0415 - an extra, and only this engine needs it
    except ImportError as error:
        raise StorageUnavailable(MISSING_DRIVER) from error
    with translated(str(database)):
        try:
            connection: Connection = await asyncpg.connect(
                database.dsn,
                timeout=CONNECT_S,
                statement_cache_size=0 if database.has_pooler else 256,
                server_settings={"application_name": "taskqueue"},
            )
        except ValueError as error:  # its text may repeat the URL, with the password
            raise StorageUnavailable(f"{database}: {type(error).__name__}") from None
        return connection


async def connect_within(database: PostgresDatabase, seconds: float) -> Connection:
    """Open a connection; a server that cannot be reached is waited for.

    Raises:
        StorageUnavailable: it is still so after so many seconds.
    """
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await connect(database)
        except StorageUnavailable:
            if asyncio.get_running_loop().time() >= deadline:
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


class Readers:
    """A few connections that are lent to queries."""

    def __init__(self, database: PostgresDatabase, check: Callable[[SQL], Awaitable[None]]) -> None:
        self._where = str(database)
        # Behind a pooler, a statement is prepared and run in the same session only in one.
        self._always_in_transaction = database.has_pooler
        self._all = [Kept(database, check) for _ in range(READERS)]
        self._free: asyncio.LifoQueue[Kept] = asyncio.LifoQueue()
        for each in self._all:
            self._free.put_nowait(each)

    async def read(self, query: Callable[[SQL], Awaitable[T]], *, snapshot: bool) -> T:
        """Return what `query` finds; with `snapshot` all its statements see the same commits.

        A query that loses its connection is run once more, on a new one.
        """
        async with self._lent() as kept:
            try:
                return await self._try(kept, query, snapshot=snapshot)
            except StorageLost:
                return await self._try(kept, query, snapshot=snapshot)

    async def _try(self, kept: Kept, query: Callable[[SQL], Awaitable[T]], *, snapshot: bool) -> T:
        connection = await kept.get()
        try:
            with translated(self._where):
                async with asyncio.timeout(READ_S):
                    if not (snapshot or self._always_in_transaction):
                        return await query(connection)
                    async with transaction(connection):
                        return await query(connection)
        except (StorageLost, asyncio.CancelledError):
            kept.forget()  # if it was cancelled, its query may still run
            raise
        except StorageUnavailable as error:
            if isinstance(error.__cause__, TimeoutError):
                kept.forget()
            raise

    @asynccontextmanager
    async def _lent(self) -> AsyncIterator[Kept]:
        kept = await self._free.get()
        try:
            yield kept
        finally:
            self._free.put_nowait(kept)

    async def close(self) -> None:
        """Close all of them, after the queries that run, if these end soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CONNECT_S):
                for _ in self._all:
                    await self._free.get()
        for each in self._all:
            await each.close()

    def abandon(self) -> None:
        """Drop all of them: queries that run fail."""
        for each in self._all:
            each.abandon()


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """Have all queries of the block see the same commits; it may not write."""
    await connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    except Exception as error:
        if not is_lost(error):
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")
