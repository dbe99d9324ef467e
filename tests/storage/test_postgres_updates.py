"""What often changes costs PostgreSQL little: updates that touch no index, a claim by its index."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.sql import ready
from taskqueue.testing.contract.nodes import heartbeat
from taskqueue.testing.contract.steps import DONE, ME, add, claim, new_task, settle

TIMES = 50


@pytest.fixture
async def sql(fresh_database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(fresh_database.dsn)
    yield connection
    await connection.close()


async def updates(sql: asyncpg.Connection, table: str, *, of: int) -> tuple[int, int]:
    """Return how many updates a table has seen, and how many of them touched no index.

    Waits until it has seen `of`.
    """
    async with asyncio.timeout(20.0):
        while True:  # the server counts when a session ends
            found = await sql.fetchrow(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
                " WHERE schemaname = 'taskqueue' AND relname = $1",
                table,
            )
            if found["n_tup_upd"] >= of:
                return tuple(found)
            await asyncio.sleep(0.01)


async def test_neither_a_heartbeat_nor_an_extension_nor_progress_touches_an_index(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection
) -> None:
    storage = PostgresStorage(fresh_database)
    await storage.open()
    await add(storage, *map(str, range(100)))
    held = [delivery.token for delivery in await claim(storage, limit=1)]

    for n in range(TIMES):
        await storage.extend(held, lease_s=30.0, now=float(n))
        await storage.report({held[0]: str(n)}, now=float(n))
        await storage.beat(heartbeat(ME), now=float(n))
    await storage.close()

    claimed = 1  # a claim takes its row out of the index of those that are ready
    assert await updates(sql, "live_tasks", of=2 * TIMES + claimed) == (
        2 * TIMES + claimed,
        2 * TIMES,
    )
    assert await updates(sql, "nodes", of=TIMES - 1) == (TIMES - 1, TIMES - 1)


async def test_a_claim_reads_the_index_of_what_is_ready_whatever_else_there_is(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection
) -> None:
    storage = PostgresStorage(fresh_database)
    await storage.open()
    await storage.insert([new_task(f"ended-{n}") for n in range(2_000)], now=0.0)
    for delivery in await claim(storage, limit=1_000):
        await settle(storage, delivery, DONE)
    await storage.close()
    await sql.execute("ANALYZE")

    lease = ("nonce", ME.node, ME.incarnation, 30.0)
    text = f"EXPLAIN (FORMAT JSON) {ready.CLAIM_READY}"
    asked = ("default", 1.0, ready.FIRST_OF_ALL, 10)
    plan = json.loads(await sql.fetchval(text, *asked, *lease))

    nodes = [*_nodes(plan[0]["Plan"])]
    read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert read_whole <= {"paused"}
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"ready", "live_seqs"}


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all below it."""
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
