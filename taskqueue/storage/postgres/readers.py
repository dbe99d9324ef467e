"""The connections that are lent to one query after another."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.storage.postgres.connections import CONNECT_S, SQL, Kept, transaction
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated

T = TypeVar("T")

READERS = 2

READ_S = 30.0
"""How long a query may take, or a server that does not answer."""


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
