"""A server that is stopped and started while a storage uses it."""

import asyncio
from collections.abc import Iterator

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.postgres import lifecycle
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from tests.postgres_cluster import Cluster, postgres_cluster
from tests.postgres_programs import NoPostgres

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def running() -> Iterator[Cluster]:
    try:
        with postgres_cluster() as cluster:
            yield cluster
    except NoPostgres as none:
        pytest.skip(str(none))


@pytest.fixture
def stopped(running: Cluster) -> Iterator[Cluster]:
    """Give a server that was stopped; it runs again after the test."""
    running.stop("fast")
    yield running
    if not running.is_running:
        running.start()


async def test_a_migration_waits_for_a_server_that_restarts(stopped: Cluster) -> None:
    storage = PostgresStorage(PostgresDatabase(url=stopped.url))
    with pytest.raises(StorageUnavailable):
        await storage.open()

    migrating = asyncio.create_task(storage.migrate())
    await asyncio.to_thread(stopped.start)
    await migrating

    await storage.open()
    assert sum((await storage.counts()).values()) == 0
    await storage.close()


async def test_a_migration_does_not_wait_for_ever(
    stopped: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lifecycle, "MIGRATE_WITHIN_S", 0.2)
    storage = PostgresStorage(PostgresDatabase(url=stopped.url))

    with pytest.raises(StorageUnavailable):
        await storage.migrate()
