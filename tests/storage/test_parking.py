"""A backlog behind a full key is parked in portions: other writes are committed in between."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.tasks import Unfinished
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add, claim, claims, new_task

PORTIONS = 6
BACKLOG = PORTIONS * MOST_PARKED
NODES = 4


async def fill(storage: Storage) -> None:
    """Insert a backlog of a key that has room, so that none of it is parked."""
    await storage.declare_limits({"smtp": LimitValues(running=1)}, now=0.0)
    hot = encoded((LimitUse("smtp"),))
    await storage.insert([new_task(f"{n:05}", limits=hot) for n in range(BACKLOG)], now=0.0)


async def parked(storage: Storage) -> int:
    [usage] = await storage.limits(now=0.0)
    return usage.waiting  # up to a thousand


class InPortions:
    """What engines with commits of their own have in common."""

    async def test_a_claim_parks_a_portion_and_the_next_one_goes_on(self, storage: Storage) -> None:
        made = []
        for _ in range(2):
            made.append(isinstance(await claim(storage), Unfinished))
            made.append(await parked(storage))

        assert made == [True, MOST_PARKED, True, 2 * MOST_PARKED]

    async def test_an_insert_is_answered_before_the_backlog_is_parked(
        self, storage: Storage
    ) -> None:
        claiming = asyncio.create_task(claims(storage))
        await asyncio.sleep(0)  # the first claim is on its way

        await add(storage, "elsewhere", queue="other")
        is_parking = not claiming.done()
        made = await claiming

        assert is_parking
        assert len(made) >= PORTIONS


class TestSQLite(InPortions):
    @pytest.fixture(params=["thread", "process"])
    async def storage(
        self, tmp_path: Path, request: pytest.FixtureRequest
    ) -> AsyncIterator[Storage]:
        path = tmp_path / "tasks.db"
        storage = SQLiteStorage(path, synchronous="NORMAL", writes_in=request.param)
        await storage.migrate()
        await storage.open()
        await fill(storage)
        yield storage
        await storage.close()


class TestPostgres(InPortions):
    @pytest.fixture
    async def storage(self, migrated_database: PostgresDatabase) -> AsyncIterator[Storage]:
        storage = PostgresStorage(migrated_database)
        await storage.open()
        await fill(storage)
        yield storage
        await storage.close()


async def test_several_nodes_park_each_row_once_and_claim_what_is_behind_it(
    migrated_database: PostgresDatabase,
) -> None:
    nodes = [PostgresStorage(migrated_database) for _ in range(NODES)]
    for node in nodes:
        await node.open()
    await fill(nodes[0])
    await add(nodes[0], *(f"free-{n}" for n in range(NODES)), run_at=1.0)

    made = await asyncio.gather(*(claims(node, now=1.0) for node in nodes))
    unfinished = [each for of_node in made for each in of_node if isinstance(each, Unfinished)]
    found = [each.task for of_node in made for claimed in of_node for each in claimed]
    for node in nodes:
        await node.close()

    assert sum(task.limits is not None for task in found) == 1
    assert sum(task.limits is None for task in found) == NODES
    assert len(unfinished) == (BACKLOG - 1) // MOST_PARKED
