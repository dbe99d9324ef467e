"""Where a service that crashes keeps its tasks: on each engine, with the same questions to it."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import pytest

from taskqueue.storage.backend import Backend, Database
from taskqueue.storage.postgres.backend import PostgresBackend
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.connections.opener import WritesIn
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.backend import Given
from tests.postgres_server import PostgresServer
from tests.storage.conftest import migrated_template, postgres
from tests.system.crash_app import MAKE_EFFECTS

__all__ = ["migrated_template", "place", "places", "postgres"]

SQLITE, POSTGRES = "sqlite", "postgresql"

Row: TypeAlias = Sequence[Any]


class Place(Protocol):
    """A folder, in which handlers note their runs, and the database of a service."""

    folder: Path
    database: Database
    flags: tuple[str, ...]
    """Those that have the command use this database, if it is started in the folder."""

    def backend(self, writes_in: WritesIn) -> Backend:
        """Return the engine for a service in this process."""
        ...

    async def make_effects(self) -> None:
        """Create the table into which handlers write."""
        ...

    async def fetch(self, sql: str) -> Sequence[Row]:
        """Return what a query of our own answers."""
        ...

    async def end_leases(self) -> None:
        """Have what a dead service holds be as it is when its leases have ended."""
        ...


@dataclass(frozen=True)
class SQLitePlace:
    """A file in the folder."""

    folder: Path
    flags: tuple[str, ...] = ()

    @property
    def database(self) -> SQLiteDatabase:
        """The file that a service uses by default."""
        return SQLiteDatabase(path=self.folder / "data" / "tasks.db")

    def backend(self, writes_in: WritesIn) -> Backend:
        self.database.path.parent.mkdir(exist_ok=True)
        return Given(partial(SQLiteStorage, self.database.path, writes_in=writes_in))

    async def make_effects(self) -> None:
        await self.fetch(MAKE_EFFECTS)

    async def fetch(self, sql: str) -> Sequence[Row]:
        with contextlib.closing(sqlite3.connect(self.database.path)) as db, db:
            return db.execute(sql).fetchall()

    async def end_leases(self) -> None:
        """The next service owns the file, so it waits for no lease."""


@dataclass(frozen=True)
class PostgresPlace:
    """A database of a server."""

    folder: Path
    database: PostgresDatabase

    @property
    def flags(self) -> tuple[str, ...]:
        return "--database", self.database.dsn

    def backend(self, writes_in: WritesIn) -> Backend:
        """Nothing but the server writes, so `writes_in` changes nothing."""
        return PostgresBackend(self.database)

    async def make_effects(self) -> None:
        await self.fetch(MAKE_EFFECTS)

    async def fetch(self, sql: str) -> Sequence[Row]:
        import asyncpg  # noqa: PLC0415 - an extra: without it these tests are skipped

        path = {"search_path": "public,taskqueue"}
        db = await asyncpg.connect(self.database.dsn, server_settings=path)
        try:
            return [tuple(row) for row in await db.fetch(sql)]
        finally:
            await db.close()

    async def end_leases(self) -> None:
        await self.fetch("UPDATE tasks SET expires_at = 0 WHERE token IS NOT NULL")


Places: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Place]]


@asynccontextmanager
async def _on_sqlite(folder: Path) -> AsyncIterator[Place]:
    yield SQLitePlace(folder)


@asynccontextmanager
async def _on_postgres(server: PostgresServer, template: str, folder: Path) -> AsyncIterator[Place]:
    name = await server.create(template=template)
    try:
        yield PostgresPlace(folder, PostgresDatabase(url=server.url_of(name)))
    finally:
        await asyncio.shield(server.drop(name))


@pytest.fixture(scope="module", params=[SQLITE, POSTGRES])
def places(request: pytest.FixtureRequest) -> Places:
    """Make places of one engine; each engine has its turn."""
    if request.param == SQLITE:
        return _on_sqlite
    server = request.getfixturevalue("postgres")
    return partial(_on_postgres, server, request.getfixturevalue("migrated_template"))


@pytest.fixture
async def place(places: Places, tmp_path: Path) -> AsyncIterator[Place]:
    """The place of this test."""
    async with places(tmp_path) as place:
        yield place
