"""A PostgreSQL server for the session, and a fresh database for each test that asks for one."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from tests.postgres_programs import NoPostgres
from tests.postgres_server import PostgresServer, empty, postgres_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Give a server that ends with the session; each worker has its own.

    Without one its tests are skipped, and say so; in CI they fail.
    """
    with ExitStack() as running:
        try:
            server = running.enter_context(postgres_server())
        except NoPostgres as none:
            if os.environ.get("CI"):
                pytest.fail(str(none))
            pytest.skip(str(none))
        yield server


@pytest.fixture(scope="session")
def migrated_template(postgres: PostgresServer) -> str:
    """Give the name of a database that is migrated, for others to be copied from."""

    async def make() -> str:
        name = await postgres.create()
        await PostgresStorage(PostgresDatabase(url=postgres.url_of(name))).migrate()
        return name

    return asyncio.run(make())


@pytest.fixture(scope="session")
def shared_database(postgres: PostgresServer, migrated_template: str) -> PostgresDatabase:
    """Give a migrated database, which tests use one after another."""

    async def make() -> str:
        return await postgres.create(template=migrated_template)

    return PostgresDatabase(url=postgres.url_of(asyncio.run(make())))


@pytest.fixture
async def migrated_database(shared_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    """Give a database that is migrated and empty. It is emptied after the test.

    That takes milliseconds; to make a database and drop it takes a good part of a second.
    """
    yield shared_database
    await empty(shared_database)


@pytest.fixture
async def fresh_database(
    postgres: PostgresServer, migrated_template: str
) -> AsyncIterator[PostgresDatabase]:
    """Give a migrated database of its own, for a test that changes more than rows."""
    name = await postgres.create(template=migrated_template)
    yield PostgresDatabase(url=postgres.url_of(name))
    await postgres.drop(name)


@pytest.fixture
async def empty_database(postgres: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    """Give a database of its own in which there is nothing yet."""
    name = await postgres.create()
    yield PostgresDatabase(url=postgres.url_of(name))
    await postgres.drop(name)
