"""What often changes costs PostgreSQL little: updates that touch no index, a claim by its index."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.operations import fronts
from taskqueue.storage.postgres.sql import claims, ready
from taskqueue.testing.contract.nodes import heartbeat
from taskqueue.testing.contract.steps import DONE, ME, add, claim, ids, new_task, settle

TIMES = 50
DEAD = 400
SESSIONS = """
SELECT count(*) FROM pg_stat_activity
WHERE application_name = 'taskqueue' AND datname = current_database()
"""


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
    text = f"EXPLAIN (FORMAT JSON) {claims.CLAIM_READY}"
    asked = ("default", 1.0, ready.FIRST_OF_ALL, 10)
    plan = json.loads(await sql.fetchval(text, *asked, *lease))

    nodes = [*_nodes(plan[0]["Plan"])]
    read_whole = {node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"}
    assert read_whole <= {"paused"}
    assert {node["Index Name"] for node in nodes if "Index Name" in node} == {"ready", "live_seqs"}


async def test_beside_an_open_transaction_claims_read_past_what_was_claimed_once_in_a_while(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fronts, "SLOW_S", 0.0)
    monkeypatch.setattr(fronts, "MOST_READ", DEAD // 2)
    monkeypatch.setattr(fronts, "HOLDS_S", 60.0)
    storage = PostgresStorage(fresh_database)
    await storage.open()
    await storage.insert([new_task(f"{n:05}") for n in range(DEAD)], now=0.0)
    async with sql.transaction(isolation="repeatable_read"):
        await sql.fetchval("SELECT count(*) FROM taskqueue.tasks")
        for delivery in await claim(storage, limit=DEAD):
            await settle(storage, delivery, DONE)
        await storage.insert([new_task(f"later-{n:02}") for n in range(TIMES)], now=1.0)
        claimed = [ids(await claim(storage, limit=1, now=2.0)) for _ in range(TIMES - 1)]
        await add(storage, "urgent", priority=-1, now=2.0)
        last = await claim(storage, limit=2, now=2.0)
        await storage.close()

    assert claimed == [[f"later-{n:02}"] for n in range(TIMES - 1)]
    assert sorted(ids(last)) == [f"later-{TIMES - 1:02}", "urgent"]
    assert await entries_read(sql) < 20 * DEAD


async def entries_read(sql: asyncpg.Connection) -> int:
    """Return how many entries of the index `ready` were read, once all sessions have ended."""
    async with asyncio.timeout(20.0):
        while await sql.fetchval(SESSIONS):  # they are counted at their end
            pass
    return int(
        await sql.fetchval(
            "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'ready'"
        )
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a node of a plan and all below it."""
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)
