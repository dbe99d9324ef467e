"""Several nodes on one PostgreSQL database, and connections that end."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial

import asyncpg
import pytest

from taskqueue.errors import SchemaMismatch, StorageLost, StorageUnavailable
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.policy import RetryPolicy, settlement
from taskqueue.rules.tasks import (
    Acceptance,
    CancelAnswer,
    Delivery,
    Failed,
    NewTask,
    Owner,
    SettleBy,
    Settled,
    Status,
    Succeeded,
)
from taskqueue.storage.databases import named
from taskqueue.storage.postgres import commit, notices
from taskqueue.storage.postgres.backend import PostgresBackend
from taskqueue.storage.postgres.connections import SQL, connect_within
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.notices import CHANNEL
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.postgres.transaction import Transaction
from taskqueue.testing.contract.steps import (
    ANOTHER,
    DONE,
    ME,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)

NODES = 4
CLAIMERS = 4  # of each node
FAILING = 0.2  # share of the attempts
AT_ONCE = RetryPolicy(initial_s=0.0)
SOON_S = 20.0


@pytest.fixture
async def here(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(migrated_database)
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
async def there(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresStorage]:
    storage = PostgresStorage(migrated_database)
    await storage.open()
    yield storage
    await storage.close()


async def end_connections(database: PostgresDatabase) -> None:
    """Have the server end all connections to a database but this one."""
    connection = await asyncpg.connect(database.dsn)
    await connection.execute(
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """
    )
    await connection.close()


# --- several nodes --------------------------------------------------------------------------------


async def test_a_task_is_delivered_to_one_node(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    await add(here, "a", "b", "c", "d")

    mine, others = await asyncio.gather(claim(here, limit=2), claim(there, owner=ANOTHER))

    assert sorted(ids(mine) + ids(others)) == ["a", "b", "c", "d"]


@pytest.mark.timeout(120)
async def test_claimers_of_many_nodes_never_get_the_same_attempt(
    migrated_database: PostgresDatabase, request: pytest.FixtureRequest
) -> None:
    tasks = 20_000 if request.config.getoption("--full") else 1_000
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    nodes = [PostgresStorage(migrated_database) for _ in range(NODES)]
    for node in nodes:
        await node.open()
    await nodes[0].insert([new_task(f"{n:06}", max_attempts=1_000) for n in range(tasks)], now=0.0)
    claimed: Counter[tuple[str, int]] = Counter()

    async def claim_all(number: int) -> None:
        """Claim and settle until nothing is left; some attempts fail, and are another's next."""
        draw = random.Random(f"{seed}/{number}")
        node = nodes[number % NODES]
        me = Owner(node=f"node-{number}", incarnation="1")
        while (await node.counts())[Status.COMPLETED] < tasks:
            limit = draw.randint(1, 40)
            mine = await node.claim("default", limit=limit, owner=me, lease_s=30.0, now=0.0)
            claimed.update((delivery.task.id, delivery.task.attempt) for delivery in mine)
            await node.start([delivery.token for delivery in mine], now=0.0)
            await node.settle([_settled(delivery, draw) for delivery in mine], now=0.0)

    await asyncio.gather(*map(claim_all, range(NODES * CLAIMERS)))
    counts = await nodes[0].counts()
    for node in nodes:
        await node.close()

    tried = Counter(task_id for task_id, _ in claimed)
    assert counts[Status.COMPLETED] == tasks == sum(counts.values()) == len(tried)
    assert {attempt: times for attempt, times in claimed.items() if times > 1} == {}


def _settled(delivery: Delivery, draw: random.Random) -> SettleBy:
    outcome = Failed(error="no") if draw.random() < FAILING else Succeeded(result="1")
    written = settlement(delivery.task, outcome, AT_ONCE, now=0.0, jitter=0.0)
    return SettleBy(token=delivery.token, settlement=written)


async def test_the_same_task_inserted_by_two_nodes_is_accepted_once(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    tasks = [new_task(f"{n:03}") for n in range(100)]

    answers = await asyncio.gather(here.insert(tasks, now=0.0), there.insert(tasks[::-1], now=0.0))

    accepted = Counter(each.id for of_node in answers for each in of_node
                       if each.acceptance is Acceptance.ACCEPTED)  # fmt: skip
    assert accepted == dict.fromkeys((task.id for task in tasks), 1)
    assert sum((await here.counts()).values()) == len(tasks)


async def test_a_delivery_is_settled_by_one_node(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    await add(here, "a")
    [delivery] = await claim(here)

    answers = await asyncio.gather(settle(here, delivery, DONE), settle(there, delivery, DONE))

    assert sorted(answers) == [Settled.REPEATED, Settled.WRITTEN]
    assert await here.counts() == {**dict.fromkeys(Status, 0), Status.COMPLETED: 1}


async def test_what_a_dead_node_held_is_rescued_by_another(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    await add(here, "a")
    [delivery] = await claim(here, lease_s=30.0)
    here.abandon()

    assert await there.rescue(ANOTHER, now=30.0) == ()
    assert await there.rescue(ANOTHER, now=30.1) == (delivery,)


async def test_a_node_that_stands_still_within_a_commit_does_not_hold_up_the_others(
    here: PostgresStorage, there: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(here, "a")
    monkeypatch.setattr(commit, "BEGIN", commit.BEGIN.replace("5s", "200ms"))
    is_locked, is_thawed, tries = asyncio.Event(), asyncio.Event(), list[None]()

    async def stand_still(tx: Transaction) -> None:
        tries.append(None)
        await tx.db.execute("UPDATE taskqueue.tasks SET priority = 1")
        is_locked.set()
        await is_thawed.wait()
        await tx.db.execute("UPDATE taskqueue.tasks SET priority = 2")

    frozen = asyncio.ensure_future(here._write(stand_still))
    async with asyncio.timeout(SOON_S):
        await is_locked.wait()
        [cancelled] = await there.cancel(["a"], reason="not wanted", now=1.0)
        is_thawed.set()
        await frozen

    assert cancelled.answer is CancelAnswer.CANCELLED
    assert len(tries) == 2  # the first was undone
    assert (await task_of(here, "a")).priority == 2


def test_services_of_one_process_are_nodes_of_their_own(
    migrated_database: PostgresDatabase,
) -> None:
    nodes = {PostgresBackend(migrated_database).owner.node for _ in range(3)}

    assert len(nodes) == 3


async def test_a_node_hears_of_what_another_has_inserted(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    heard = asyncio.Event()
    there.on_foreign_commit(heard.set)
    async with asyncio.timeout(SOON_S):
        await heard.wait()  # that it listens
        await asyncio.sleep(0)
        heard.clear()

        await add(here, "a")

        await heard.wait()


async def test_a_node_does_not_hear_of_its_own(
    here: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    heard, sent, calls = asyncio.Event(), asyncio.Event(), list[None]()

    def on_foreign_commit() -> None:
        calls.append(None)
        heard.set()

    here.on_foreign_commit(on_foreign_commit)
    other = await asyncpg.connect(migrated_database.dsn)
    await other.add_listener(CHANNEL, lambda *_: sent.set())
    async with asyncio.timeout(SOON_S):
        await heard.wait()  # that it listens
        heard.clear()
        await add(here, "a")
        await sent.wait()
        await other.execute(f"NOTIFY {CHANNEL}, 'another'")  # comes after its own
        await heard.wait()
    await other.close()

    assert len(calls) == 2


async def test_of_many_notices_at_once_a_node_is_woken_once(
    here: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    heard, calls = asyncio.Event(), list[None]()

    def on_foreign_commit() -> None:
        calls.append(None)
        heard.set()

    here.on_foreign_commit(on_foreign_commit)
    other = await asyncpg.connect(migrated_database.dsn)
    async with asyncio.timeout(SOON_S):
        await heard.wait()  # that it listens
        heard.clear()
        await other.execute("".join(f"NOTIFY {CHANNEL}, '{n}';" for n in range(1_000)))
        await heard.wait()
        heard.clear()
        await other.execute(f"NOTIFY {CHANNEL}, 'the last'")  # comes after all of them
        await heard.wait()
    await other.close()

    assert len(calls) <= 1 + 2 + 1  # the first, the thousand, which may come in two parts, the last


# --- who is notified ------------------------------------------------------------------------------


class News:
    """Waits until a storage receives a notice."""

    def __init__(self, storage: PostgresStorage) -> None:
        self._storage = storage
        self._came = asyncio.Event()
        storage.on_foreign_commit(self._came.set)

    async def comes(self) -> None:
        async with asyncio.timeout(SOON_S):
            await self._came.wait()
        self._came.clear()

    async def begins(self) -> None:
        """Wait until the storage listens."""
        while not await self._storage.hears_others():
            await self.comes()
        self._came.clear()

    async def ends(self) -> None:
        """Wait until it listens no more, which it says as well."""
        while await self._storage.hears_others():
            await self.comes()


def listener_of(storage: PostgresStorage) -> int:
    """Return the process of the server that tells a storage of news."""
    assert storage._notices is not None
    assert storage._notices._connection is not None
    return storage._notices._connection.get_server_pid()


async def end_listener(storage: PostgresStorage) -> None:
    await storage._write(partial(_terminate, pid=listener_of(storage)))


async def _terminate(tx: Transaction, *, pid: int) -> None:
    await tx.db.execute("SELECT pg_terminate_backend($1)", pid)


async def test_a_node_knows_that_it_hears_others_and_when_that_ends(
    here: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AGAIN_S", 0.01)
    news = News(here)
    await news.begins()

    await end_listener(here)
    await news.ends()
    await news.begins()

    await here.close()
    assert not await here.hears_others()


async def test_a_node_that_has_lost_its_listener_still_tells_the_others(
    here: PostgresStorage, there: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "AGAIN_S", 3600.0)
    lost, news = News(here), News(there)
    await lost.begins()
    await news.begins()
    await end_listener(here)
    await lost.ends()

    await add(here, "a")
    await news.comes()

    assert not await here.hears_others()


async def test_a_node_behind_a_pooler_hears_nobody_but_tells_the_others(
    there: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    here = PostgresStorage(migrated_database.behind_pooler)
    await here.open()
    news = News(there)
    await news.begins()

    await add(here, "a")
    await news.comes()

    assert not await here.hears_others()
    await here.close()


async def test_a_connection_that_leads_to_nobody_is_noticed(
    here: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "PING_S", 0.05)
    monkeypatch.setattr(notices, "ANSWER_S", 0.5)
    news = News(here)
    await news.begins()
    pid = listener_of(here)

    os.kill(pid, signal.SIGSTOP)  # as a firewall that has forgotten the connection
    try:
        await news.ends()
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_what_a_node_inserts_and_claims_itself_is_no_news(
    migrated_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    monkeypatch.setattr(notices.Notices, "tell", lambda _: told.append(1))
    storage = PostgresStorage(migrated_database)
    await storage.open()

    async def times_told(room: int, *tasks: NewTask) -> int:
        told.clear()
        await storage.insert_and_claim(
            tasks, room={"default": room}, owner=ME, lease_s=30.0, now=0.0
        )
        return len(told)

    claimed = await times_told(2, new_task("a"), new_task("b"))
    later = await times_told(2, new_task("c"), new_task("d", run_at=60.0))
    left = await times_told(1, new_task("e"), new_task("f"))
    await storage.close()

    assert (claimed, later, left) == (0, 1, 1)


async def test_a_node_that_stops_tells_of_its_last_commits(
    migrated_database: PostgresDatabase, there: PostgresStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    news = News(there)
    await news.begins()
    stopping = PostgresStorage(migrated_database)
    await stopping.open()
    await News(stopping).begins()
    monkeypatch.setattr(notices, "SPACING_S", 3600.0)
    await add(stopping, "a")
    await news.comes()

    monkeypatch.setattr(notices, "SPACING_S", 0.0)
    await add(stopping, "b")  # in the pause after that
    await stopping.close()

    await news.comes()


async def test_a_slot_that_is_freed_is_news_for_what_waits_for_it(
    here: PostgresStorage, there: PostgresStorage
) -> None:
    one = {"few": LimitValues(running=1)}
    await here.declare_limits(one, now=0.0)
    for name in ("a", "b"):
        await add(here, name, limits=encoded((LimitUse("few"),)))
    [first] = await claim(here, limit=2)
    news = News(there)
    await news.begins()

    await settle(here, first, DONE)
    await news.comes()

    assert await there.all_due() == {"default": 0.0}


# --- migrations -----------------------------------------------------------------------------------


async def test_however_many_nodes_start_one_migrates(empty_database: PostgresDatabase) -> None:
    nodes = [PostgresStorage(empty_database) for _ in range(6)]

    taken = await asyncio.gather(*(node.migrate() for node in nodes))

    assert sorted(map(len, taken)) == [0, 0, 0, 0, 0, len(max(taken))]


async def test_a_migration_whose_connections_are_cut_is_begun_again(
    empty_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_version_of, cuts = runner.known_version_of, iter(range(3))

    async def cut_first(db: SQL, where: str) -> int:
        if next(cuts, None) is not None:
            await db.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return await known_version_of(db, where)

    monkeypatch.setattr(runner, "known_version_of", cut_first)

    taken = await PostgresStorage(empty_database).migrate()

    assert len(taken) == len(runner.POSTGRES_STEPS)
    assert list(cuts) == []


async def test_a_database_that_was_never_migrated_is_not_opened(
    empty_database: PostgresDatabase,
) -> None:
    with pytest.raises(SchemaMismatch):
        await PostgresStorage(empty_database).open()


async def test_a_newer_schema_is_refused(fresh_database: PostgresDatabase) -> None:
    connection = await asyncpg.connect(fresh_database.dsn)
    await connection.execute("UPDATE taskqueue.meta SET value = '999'")
    await connection.close()
    storage = PostgresStorage(fresh_database)

    with pytest.raises(SchemaMismatch):
        await storage.open()
    with pytest.raises(SchemaMismatch):
        await storage.migrate()


# --- connections that end -------------------------------------------------------------------------


async def test_a_connection_that_was_ended_is_made_again(
    here: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    await add(here, "a")
    await here.counts()

    await end_connections(migrated_database)

    await add(here, "b")
    assert (await task_of(here, "a")).id == "a"
    assert ids(await claim(here)) == ["a", "b"]


async def test_an_idle_connection_that_ends_is_reported(
    here: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    lost: asyncio.Future[StorageUnavailable] = asyncio.get_running_loop().create_future()
    here.on_loss(lambda error: lost.done() or lost.set_result(error))

    await end_connections(migrated_database)

    async with asyncio.timeout(SOON_S):
        assert isinstance(await lost, StorageLost)


async def test_connections_that_end_under_load_lose_nothing(
    here: PostgresStorage, migrated_database: PostgresDatabase
) -> None:
    stored: set[str] = set()

    async def insert(number: int) -> None:
        for n in range(30):
            task = new_task(f"{number:02}-{n:03}")
            while True:
                try:
                    [answer] = await here.insert([task], now=0.0)
                except StorageUnavailable:
                    await asyncio.sleep(0.01)
                else:
                    stored.add(answer.id)
                    break

    async def cut() -> None:
        for _ in range(10):
            await asyncio.sleep(0.03)
            await end_connections(migrated_database)

    await asyncio.gather(cut(), *map(insert, range(8)))

    assert sum((await here.counts()).values()) == len(stored) == 8 * 30
    found = await here.find(limit=1_000, now=0.0)
    assert {task.id for task in found} == stored


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: object) -> None:
    database = PostgresDatabase(url=f"postgresql:///nothing?host={tmp_path}&user=postgres")

    with pytest.raises(StorageUnavailable, match="nothing"):
        await PostgresStorage(database).open()


async def test_a_database_that_is_not_there_is_unavailable(
    migrated_database: PostgresDatabase,
) -> None:
    database = PostgresDatabase(url=migrated_database.url.replace("/taskqueue_test", "/no_such"))

    with pytest.raises(StorageUnavailable, match="no such database"):
        await PostgresStorage(database).open()


async def test_who_is_refused_does_not_wait_as_for_a_server_that_restarts(
    migrated_database: PostgresDatabase,
) -> None:
    database = PostgresDatabase(url=migrated_database.url.replace("/taskqueue_test", "/no_such"))

    async with asyncio.timeout(SOON_S):
        with pytest.raises(StorageUnavailable, match="no such database"):
            await connect_within(database, seconds=3600.0)


async def test_a_database_that_is_read_only_is_said_to_be(fresh_database: PostgresDatabase) -> None:
    here = PostgresStorage(fresh_database)
    await here.open()
    connection = await asyncpg.connect(fresh_database.dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    await end_connections(fresh_database)

    with pytest.raises(StorageUnavailable, match="read-only"):
        await add(here, "a")
    assert sum((await here.counts()).values()) == 0
    await here.close()


# --- neighbours in one commit ---------------------------------------------------------------------


async def test_a_verb_that_fails_does_not_disturb_its_neighbours(here: PostgresStorage) -> None:
    results = await asyncio.gather(
        add(here, "a"), add(here, "nul \0"), add(here, "b"), return_exceptions=True
    )

    assert results[0] is results[2] is None
    assert isinstance(results[1], Exception)
    assert ids(await claim(here)) == ["a", "b"]


async def test_a_caller_that_is_cancelled_leaves_its_neighbours_alone(
    here: PostgresStorage,
) -> None:
    cancelled = asyncio.ensure_future(add(here, "a"))
    neighbour = asyncio.ensure_future(add(here, "b"))
    await asyncio.sleep(0)
    cancelled.cancel()

    await neighbour

    assert "b" in ids(await claim(here, owner=ME))


async def test_it_works_as_behind_a_pooler(migrated_database: PostgresDatabase) -> None:
    storage = PostgresStorage(PostgresDatabase(url=f"{migrated_database.url}&pooler=true"))
    await storage.open()
    await add(storage, "a")

    assert ids(await claim(storage)) == ["a"]
    assert (await task_of(storage, "a")).attempt == 1
    await storage.close()


# --- names ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_database_never_shows_its_password(scheme: str) -> None:
    database = named(f"{scheme}://me:s3cret@db.example:5433/tasks?sslmode=require&password=s3cret")

    assert isinstance(database, PostgresDatabase)
    assert str(database) == "postgresql://me:***@db.example:5433/tasks?sslmode=require&password=***"
    assert "s3cret" not in repr(database)
    assert "s3cret" in database.dsn


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://host",
        "postgresql://host:port/name",
        "postgresql://host/name#part",
        "postgresql://host/name?pooler=maybe",
        "postgresql://me:***@host/name",
    ],
)
def test_a_url_that_names_no_database_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        named(url)


@pytest.mark.parametrize("password", ["s3/cret", "12/34", "s3?cret", "s3#cret", "s3@cret/"])
def test_a_password_that_is_not_escaped_is_refused_and_not_shown(password: str) -> None:
    with pytest.raises(ValueError, match="URL") as refused:
        named(f"postgresql://me:{password}@db.example/tasks")

    assert "cret" not in str(refused.value)
    assert "12" not in str(refused.value)
