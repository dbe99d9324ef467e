"""Ended tasks lie in partitions by the time of their end, which are dropped as a whole."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.retention import DAY_S
from taskqueue.rules.tasks import ENDED, Acceptance, Accepted, SettleBy, Settled, Statement, Status
from taskqueue.storage.postgres import history
from taskqueue.storage.postgres.clock import ServerClock
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.errors import is_lost
from taskqueue.testing.clock import ManualClock
from taskqueue.testing.contract.steps import (
    BURIAL,
    CANCEL,
    DONE,
    FAILURE,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)

START = 4_000_000_000.0 // DAY_S * DAY_S  # the first instant of a day that lies ahead
KEPT_S = 7 * DAY_S


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def storage(
    fresh_database: PostgresDatabase, clock: ManualClock
) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(fresh_database, clock=ServerClock(clock))
    await storage.open()
    for status in ENDED:
        await storage.expire(status, ended_before=START - KEPT_S, limit=1)  # makes partitions
    yield storage
    await storage.close()


@pytest.fixture
async def sql(fresh_database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(fresh_database.dsn)
    yield connection
    await connection.close()


async def rows(sql: asyncpg.Connection, table: str) -> int:
    return int(await sql.fetchval(f"SELECT count(*) FROM taskqueue.{table}"))


async def expire(storage: PostgresStorage, clock: ManualClock) -> int:
    """Expire completed tasks as the service does."""
    return await storage.expire(Status.COMPLETED, ended_before=clock.now() - KEPT_S, limit=500)


async def complete(storage: PostgresStorage, *task_ids: str, now: float, **fields: object) -> None:
    await add(storage, *task_ids, now=now, **fields)
    for delivery in await claim(storage, now=now):
        assert await settle(storage, delivery, DONE, now=now) is Settled.WRITTEN


async def test_what_ends_leaves_the_live_tasks_with_its_attempts(
    storage: PostgresStorage, sql: asyncpg.Connection
) -> None:
    await add(storage, "a", "b", "c", "d", now=START)
    for delivery in await claim(storage, now=START):
        await settle(storage, delivery, FAILURE, now=START)
    a, b, c = await claim(storage, limit=3, now=START + 60.0)
    for delivery, end in ((a, DONE), (b, BURIAL), (c, CANCEL)):
        await settle(storage, delivery, end, now=START + 60.0)
    await storage.cancel(["d"], reason="no", now=START + 60.0)

    assert [await rows(sql, table) for table in ("live_tasks", "live_attempts")] == [0, 0]
    assert [await rows(sql, f"{end}_tasks_rest") for end in ("completed", "dead")] == [0, 0]
    assert [len(await attempts_of(storage, each)) for each in "abcd"] == [2, 2, 2, 1]
    assert ids(await storage.find(limit=10, now=START)) == ["d", "c", "b", "a"]


async def test_a_redriven_task_is_live_again_with_its_attempts(
    storage: PostgresStorage, sql: asyncpg.Connection
) -> None:
    await add(storage, "a", now=START)
    [delivery] = await claim(storage, now=START)
    await settle(storage, delivery, BURIAL, now=START)

    assert await storage.redrive(["a"], now=START) == ("a",)

    assert [await rows(sql, table) for table in ("live_tasks", "live_attempts")] == [1, 1]
    assert ids(await claim(storage, now=START)) == ["a"]
    assert len(await attempts_of(storage, "a")) == 1


async def test_a_key_that_was_accepted_twice_is_redriven_once(
    storage: PostgresStorage, sql: asyncpg.Connection
) -> None:
    await add(storage, "a", "b", "c", now=START)
    for delivery in await claim(storage, now=START):
        await settle(storage, delivery, BURIAL, now=START)
    await add(storage, "live", now=START, unique_key="taken")
    # As a transaction at REPEATABLE READ can leave them.
    await sql.execute("UPDATE taskqueue.dead_tasks SET unique_key = 'taken' WHERE id = 'a'")
    await sql.execute("UPDATE taskqueue.dead_tasks SET unique_key = 'both' WHERE id <> 'a'")

    assert await storage.redrive(["a", "b", "c"], now=START) == ("a", "b", "c")

    found = await sql.fetch("SELECT unique_key, former_key FROM taskqueue.live_tasks ORDER BY id")
    assert [*map(tuple, found)] == [
        (None, "taken"),
        ("both", None),
        (None, "both"),
        ("taken", None),
    ]


async def test_a_dead_task_of_an_id_that_is_live_is_not_redriven(
    storage: PostgresStorage, sql: asyncpg.Connection
) -> None:
    await add(storage, "a", "b", now=START)
    for delivery in await claim(storage, now=START):
        await settle(storage, delivery, BURIAL, now=START)
    await add(storage, "live", now=START)
    await sql.execute("UPDATE taskqueue.dead_tasks SET id = 'live' WHERE id = 'a'")

    assert await storage.redrive(["live", "b"], now=START) == ("b",)
    assert await rows(sql, "live_tasks") == 2


async def test_an_old_partition_is_dropped_with_all_counts(
    storage: PostgresStorage, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    await add(storage, "retried", now=START)
    [delivery] = await claim(storage, now=START)
    await settle(storage, delivery, FAILURE, now=START)
    await complete(storage, "a", "b", now=START + 20.0, group="first")
    await complete(storage, "c", now=START + DAY_S, group="first")
    attempts = await rows(sql, "attempts")

    clock.advance(KEPT_S + DAY_S - 1.0)
    early = await expire(storage, clock)
    clock.advance(1.0)
    dropped = await expire(storage, clock)

    group = await storage.get_group("first")
    assert (early, dropped, attempts) == (0, 3, 1)
    assert ids(await storage.find(limit=10, now=clock.now())) == ["c"]
    assert (await storage.counts())[Status.COMPLETED] == 1
    assert group is not None
    assert group.tasks[Status.COMPLETED] == 1
    assert await rows(sql, "attempts") == 0
    assert await storage.get("a", now=clock.now()) is None


async def test_what_ends_without_a_partition_is_kept_and_deleted_row_by_row(
    storage: PostgresStorage, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    clock.advance(30 * DAY_S)  # no node was there to make partitions
    await complete(storage, "a", "b", now=clock.now())
    resting = await rows(sql, "completed_tasks_rest")

    await expire(storage, clock)  # makes those of the following days
    await complete(storage, "c", now=clock.now() + DAY_S)
    clock.advance(KEPT_S + 1.0)
    expired = await expire(storage, clock)

    assert (resting, expired) == (2, 2)
    assert await rows(sql, "completed_tasks_rest") == 0
    assert ids(await storage.find(limit=10, now=clock.now())) == ["c"]


async def test_retention_does_not_wait_for_a_transaction_that_reads(
    storage: PostgresStorage, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    await complete(storage, "a", now=START)
    clock.advance(KEPT_S + DAY_S)
    async with sql.transaction():
        await rows(sql, "tasks")
        while_read = await expire(storage, clock)
        await complete(storage, "b", now=clock.now())

    assert while_read == 0
    assert await expire(storage, clock) == 1
    assert (await storage.counts())[Status.COMPLETED] == 1


async def test_a_node_that_is_frozen_inside_a_change_of_the_schema_stops_nobody_for_long(
    fresh_database: PostgresDatabase, storage: PostgresStorage, sql: asyncpg.Connection
) -> None:
    frozen = await asyncpg.connect(fresh_database.dsn)

    async def change_and_freeze() -> int:
        async with history._schema_change(frozen) as is_ours:
            assert is_ours
            await frozen.execute("LOCK TABLE taskqueue.completed_tasks IN ACCESS EXCLUSIVE MODE")
            return await rows(sql, "tasks")  # the server ends the session that is in the way
        raise AssertionError("it has committed")

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)) as lost:
        await change_and_freeze()

    assert is_lost(lost.value)
    assert lost.value.__context__ is None  # no rollback has hidden it


async def test_a_group_goes_with_the_partition_of_its_last_task(
    storage: PostgresStorage, clock: ManualClock
) -> None:
    await complete(storage, "a", now=START, group="gone")
    await complete(storage, "b", "c", now=START, group="kept")
    await add(storage, "d", now=START, group="kept")

    clock.advance(KEPT_S + DAY_S)
    dropped = await expire(storage, clock)

    kept = await storage.get_group("kept")
    assert dropped == 3
    assert await storage.get_group("gone") is None
    assert kept is not None
    assert (kept.tasks[Status.COMPLETED], kept.tasks[Status.QUEUED]) == (0, 1)


async def test_what_a_node_has_detached_another_one_drops(
    storage: PostgresStorage, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    await complete(storage, "a", now=START)
    [name] = await sql.fetchrow("SELECT tableoid::regclass::text FROM taskqueue.tasks")
    of_attempts = name.replace("_tasks_", "_attempts_")
    await sql.execute(f"ALTER TABLE taskqueue.completed_tasks DETACH PARTITION {name}")
    await sql.execute(f"ALTER TABLE taskqueue.completed_attempts DETACH PARTITION {of_attempts}")

    assert await expire(storage, clock) == 1
    assert (await storage.counts())[Status.COMPLETED] == 0


async def test_many_nodes_that_start_at_once_make_each_partition_once(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    nodes = [PostgresStorage(fresh_database, clock=ServerClock(clock)) for _ in range(5)]
    for node in nodes:
        await node.open()

    await asyncio.gather(*(expire(node, clock) for node in nodes))
    await complete(nodes[0], "a", now=START)
    found = await task_of(nodes[1], "a", now=START)
    for node in nodes:
        await node.close()

    assert found.status is Status.COMPLETED
    assert await partitions(sql) == 3


async def test_what_ends_before_the_first_partition_costs_a_quarter_of_an_hour_of_one(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection, clock: ManualClock
) -> None:
    node = PostgresStorage(fresh_database, clock=ServerClock(clock))
    await node.open()
    opened = await partitions(sql)
    clock.advance(1000.0)
    await complete(node, "a", now=clock.now())

    await expire(node, clock)
    await complete(node, "b", now=clock.now())
    await complete(node, "c", now=START + 1800.0)
    await node.close()

    assert opened == 0  # a tool makes none
    assert await rows(sql, "completed_tasks_rest") == 2
    assert await partitions(sql) == 3


async def partitions(sql: asyncpg.Connection) -> int:
    """Count those of completed tasks that have a span."""
    named = "relname ~ '^completed_tasks_[0-9]+_[0-9]+$'"
    count = f"SELECT count(*) FROM pg_class WHERE {named} AND relkind = 'r'"
    return int(await sql.fetchval(count))


async def test_a_dry_run_is_not_refused_for_a_partition_that_is_made_meanwhile(
    storage: PostgresStorage, fresh_database: PostgresDatabase, sql: asyncpg.Connection
) -> None:
    await sql.execute("CREATE TABLE accounts (balance bigint); INSERT INTO accounts VALUES (1)")
    adding = Statement(sql="UPDATE accounts SET balance = balance + 1 RETURNING balance")
    maker = await asyncpg.connect(fresh_database.dsn)
    async with sql.transaction():
        await sql.execute("UPDATE accounts SET balance = 2")
        running = asyncio.ensure_future(storage.dry_run((), adding, limit_s=20.0))
        await _until_one_waits(sql)
        making = asyncio.ensure_future(
            history.make(maker, Status.COMPLETED, kept_s=KEPT_S, now=START + 30 * DAY_S)
        )
        async with asyncio.timeout(20.0):
            while not (making.done() or await sql.fetchval(_WAITS_FOR_DRY_RUNS)):
                pass
    answer = await running
    await making
    await maker.close()

    assert answer.rows == ((3,),)


_WAITS_FOR_DRY_RUNS = (
    "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
)


async def test_an_id_and_a_key_are_known_after_the_end(storage: PostgresStorage) -> None:
    await complete(storage, "a", now=START, unique_key="k", fingerprint="same")

    answers = await storage.insert(
        [
            new_task("a", unique_key="k", fingerprint="same"),
            new_task("b", unique_key="k", fingerprint="same"),
            new_task("c", unique_key="k", fingerprint="other"),
            new_task("d"),
        ],
        now=START,
    )

    assert answers == (
        Accepted(id="a", acceptance=Acceptance.REPEATED),
        Accepted(id="a", acceptance=Acceptance.REPEATED),
        Accepted(id="a", acceptance=Acceptance.CONFLICT),
        Accepted(id="d", acceptance=Acceptance.ACCEPTED),
    )


@pytest.mark.parametrize("key", ["k", None])
async def test_what_ends_while_it_is_inserted_again_is_not_inserted_twice(
    storage: PostgresStorage, fresh_database: PostgresDatabase, sql: asyncpg.Connection, key: str
) -> None:
    again = PostgresStorage(fresh_database)
    await again.open()
    await add(storage, "a", now=START, unique_key=key)
    [held] = await claim(storage, now=START)
    lock = await asyncpg.connect(fresh_database.dsn)
    async with lock.transaction():
        # A commit that has ended the task and is not through yet: the insert waits for it.
        await lock.execute(
            "UPDATE taskqueue.tasks SET status = 'completed', token = NULL, processed_at = $1"
            " WHERE id = 'a'",
            START,
        )
        inserting = asyncio.ensure_future(again.insert([new_task("a", unique_key=key)], now=START))
        await _until_one_waits(sql)
    [answer] = await inserting
    await lock.close()
    await again.close()

    assert answer == Accepted(id="a", acceptance=Acceptance.REPEATED)
    assert await rows(sql, "tasks") == 1
    by = SettleBy(token=held.token, settlement=DONE)
    assert await storage.settle([by], now=START) == (Settled.LEASE_LOST,)


async def _until_one_waits(sql: asyncpg.Connection) -> None:
    async with asyncio.timeout(20.0):
        while not await sql.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
            pass


async def test_a_settlement_that_waits_for_a_new_partition_is_written_into_it(
    storage: PostgresStorage,
    fresh_database: PostgresDatabase,
    sql: asyncpg.Connection,
    clock: ManualClock,
) -> None:
    clock.advance(30 * DAY_S)  # no node was there to make partitions
    now = clock.now()
    await add(storage, "a", now=now)
    [held] = await claim(storage, now=now)
    maker = await asyncpg.connect(fresh_database.dsn)
    async with maker.transaction():
        await maker.execute(f"""
            CREATE TABLE taskqueue.new (LIKE taskqueue.tasks INCLUDING DEFAULTS);
            ALTER TABLE taskqueue.completed_tasks ATTACH PARTITION taskqueue.new
                FOR VALUES FROM ({now}) TO ({now + DAY_S})
        """)
        settling = asyncio.ensure_future(settle(storage, held, DONE, now=now))
        await _until_one_waits(sql)
    answer = await settling
    await maker.close()

    assert answer is Settled.WRITTEN
    assert await rows(sql, "new") == 1


async def test_a_settlement_that_is_repeated_after_the_end_is_known(
    storage: PostgresStorage,
) -> None:
    await add(storage, "a", now=START)
    [delivery] = await claim(storage, now=START)
    await settle(storage, delivery, DONE, now=START)

    assert await settle(storage, delivery, DONE, now=START) is Settled.REPEATED
    assert await settle(storage, delivery, BURIAL, now=START) is Settled.LEASE_LOST


async def test_filters_find_what_has_ended_in_any_partition(storage: PostgresStorage) -> None:
    for day in range(3):
        await complete(storage, f"{day}", now=START + day * DAY_S, queue="default")
    wanted = TaskFilter(statuses=(Status.COMPLETED,), queue="default")

    found = await storage.search(wanted, limit=2, now=START)
    rest = await storage.search(wanted, after="1", limit=2, now=START)

    assert (ids(found.tasks), ids(rest.tasks)) == (["2", "1"], ["0"])


async def test_with_much_in_the_rest_no_partition_is_made(
    storage: PostgresStorage,
    sql: asyncpg.Connection,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(history, "MOST_IN_THE_REST", 1)
    clock.advance(30 * DAY_S)
    await complete(storage, "a", "b", now=clock.now())

    await expire(storage, clock)

    made = await sql.fetchval(
        "SELECT count(*) FROM pg_class WHERE relname ~ ('completed_tasks_' || $1::bigint)",
        int(clock.now()),
    )
    assert made == 0
