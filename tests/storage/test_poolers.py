"""Behind a real PgBouncer: which kind it is, and that everything works."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from taskqueue.doctor.diagnosis import diagnose
from taskqueue.doctor.findings import Finding, Level
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import SettleBy, Settled, Status
from taskqueue.storage.copying.session import session as copy_session
from taskqueue.storage.examination import Route
from taskqueue.storage.postgres import tools
from taskqueue.storage.postgres.backend import PostgresBackend
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.poolers import route_to
from taskqueue.storage.protocol import Storage
from taskqueue.testing.contract.administration import AdministrationContract
from taskqueue.testing.contract.gates import GatesContract
from taskqueue.testing.contract.groups import GroupsContract
from taskqueue.testing.contract.handler_sql import HandlerSQLContract
from taskqueue.testing.contract.leases import LeasesContract
from taskqueue.testing.contract.nodes import NodesContract
from taskqueue.testing.contract.postgres_samples import POSTGRES
from taskqueue.testing.contract.schedules import SchedulesContract
from taskqueue.testing.contract.steps import DONE, add, claim, ids, new_task
from taskqueue.testing.contract.tasks import TasksContract
from taskqueue.testing.events import EventLog
from tests.pgbouncer import PGBOUNCER, pgbouncer
from tests.postgres_server import PostgresServer, run_in, syncing

pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="PgBouncer is not installed")

SOON_S = 20.0
NODES = 6


def through(url: str, *, direct: PostgresDatabase | None = None) -> PostgresDatabase:
    return PostgresDatabase(url=url, database_direct=direct)


@pytest.fixture(scope="module")
def pooler(shared_database: PostgresDatabase) -> Iterator[str]:
    """The URL of a pooler in transaction mode."""
    with pgbouncer(shared_database, "transaction") as url:
        yield url


@pytest.fixture
async def running() -> AsyncIterator[list[PostgresStorage]]:
    """Storages that are closed at the end."""
    opened: list[PostgresStorage] = []
    yield opened
    for each in opened:
        await each.close()


async def started(database: PostgresDatabase, running: list[PostgresStorage]) -> PostgresStorage:
    """Open a storage as a service does."""
    backend = PostgresBackend(database)
    await backend.prepare()
    storage = backend.storage()
    assert isinstance(storage, PostgresStorage)
    running.append(storage)
    await storage.open()
    return storage


# --- which it is ----------------------------------------------------------------------------------


async def test_a_server_is_reached_directly(migrated_database: PostgresDatabase) -> None:
    assert await route_to(migrated_database) is Route.DIRECT


@pytest.mark.parametrize(
    ("mode", "sessions", "route"),
    [
        ("session", 5, Route.SESSION),
        ("session", 1, Route.TRANSACTION),  # nobody can tell: it has one session
        ("transaction", 5, Route.TRANSACTION),
        ("transaction", 1, Route.TRANSACTION),
    ],
)
async def test_a_pooler_is_recognized(
    migrated_database: PostgresDatabase,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    sessions: int,
    route: Route,
) -> None:
    monkeypatch.setattr("taskqueue.storage.postgres.poolers.ANSWER_S", 0.5)
    with pgbouncer(migrated_database, mode, sessions=sessions) as url:
        assert await route_to(through(url)) is route


async def test_a_busy_pooler_is_recognized_as_well(
    migrated_database: PostgresDatabase, pooler: str
) -> None:
    is_over = asyncio.Event()

    async def use() -> None:
        connection = await asyncpg.connect(pooler, statement_cache_size=0)
        while not is_over.is_set():
            await connection.execute("SELECT 1")
        await connection.close()

    users = [asyncio.ensure_future(use()) for _ in range(4)]
    routes = [await route_to(through(pooler)) for _ in range(10)]
    is_over.set()
    await asyncio.gather(*users)

    assert set(routes) == {Route.TRANSACTION}


async def test_nothing_is_concluded_from_a_pooler_whose_sessions_are_all_in_use(
    migrated_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskqueue.storage.postgres.poolers.ANSWER_S", 0.5)
    with pgbouncer(migrated_database, "transaction", sessions=1) as url:
        user = await asyncpg.connect(url, statement_cache_size=0)
        async with user.transaction():
            with pytest.raises(StorageUnavailable, match="does not answer"):
                await route_to(through(url))
        await user.close()

        assert await route_to(through(url)) is Route.TRANSACTION


async def test_a_pooler_that_allows_no_transactions_is_refused_with_its_own_words(
    migrated_database: PostgresDatabase,
) -> None:
    with (
        pgbouncer(migrated_database, "statement") as url,
        pytest.raises(StorageUnavailable, match="not allowed in statement pooling mode"),
    ):
        await PostgresBackend(through(url)).prepare()


# --- a service finds out by itself ----------------------------------------------------------------


async def test_many_nodes_share_few_sessions(
    migrated_database: PostgresDatabase, pooler: str, running: list[PostgresStorage]
) -> None:
    nodes = [await started(through(pooler), running) for _ in range(NODES)]

    await asyncio.gather(*(add(node, *(f"{n}-{i}" for i in range(20)))
                           for n, node in enumerate(nodes)))  # fmt: skip
    claimed = await asyncio.gather(*(claim(node, limit=20) for node in nodes))
    await asyncio.gather(*(node.counts() for node in nodes for _ in range(10)))

    assert len({task for each in claimed for task in ids(each)}) == 20 * NODES
    assert (await nodes[0].counts())[Status.QUEUED] == 20 * NODES


@pytest.mark.parametrize("has_notices", [False, True])
async def test_a_service_says_that_it_has_found_a_pooler(
    migrated_database: PostgresDatabase, pooler: str, events: EventLog, has_notices: bool
) -> None:
    direct = migrated_database if has_notices else None

    await PostgresBackend(migrated_database).prepare()
    await PostgresBackend(through(pooler, direct=direct)).prepare()

    [found] = events.select("pooler_found")
    assert found["has_notices"] is has_notices


async def test_no_session_keeps_anything_of_a_node(
    migrated_database: PostgresDatabase, pooler: str, running: list[PostgresStorage]
) -> None:
    node = await started(through(pooler), running)
    await add(node, "a")
    await claim(node)

    async with copy_session(migrated_database) as session:  # beside a node
        locks = await session.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")

    assert locks == 1  # that of the copy


@pytest.mark.parametrize("is_kept", [True, False])
async def test_a_connection_of_a_handler_leaves_nothing_in_its_session(
    migrated_database: PostgresDatabase, is_kept: bool
) -> None:
    with pgbouncer(migrated_database, "transaction", sessions=1) as url:
        node = PostgresStorage(through(url).behind_pooler)
        await node.open()
        await add(node, "a")
        [delivery] = await claim(node)
        transactions = await node.handler_transactions()
        assert transactions is not None
        transaction = await transactions.begin("a", delivery.token)
        async with transaction.block() as db:
            await db.execute(
                """
                SET statement_timeout = '1h'; SELECT pg_advisory_lock(7); LISTEN news;
                CREATE TEMP TABLE mine (); DECLARE all_of_it CURSOR WITH HOLD FOR SELECT 1
                """
            )
        if is_kept:
            by = SettleBy(token=delivery.token, settlement=DONE)
            assert await transaction.settle(by, now=1.0) is Settled.WRITTEN
        else:
            await transaction.roll_back()
        another = await asyncpg.connect(url, statement_cache_size=0)
        left = await another.fetchrow(
            """
            SELECT current_setting('statement_timeout'), to_regclass('mine'),
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'),
                (SELECT count(*) FROM pg_listening_channels()),
                (SELECT count(*) FROM pg_cursors WHERE is_holdable)
            """
        )
        await another.close()
        await node.close()

    assert tuple(left) == ("0", None, 0, 0, 0)


async def test_with_the_direct_url_a_node_hears_of_others(
    migrated_database: PostgresDatabase, pooler: str, running: list[PostgresStorage]
) -> None:
    database = through(pooler, direct=migrated_database)
    here, there = [await started(database, running) for _ in range(2)]
    heard = asyncio.Event()
    there.on_foreign_commit(heard.set)
    async with asyncio.timeout(SOON_S):
        await heard.wait()  # that it listens
        await asyncio.sleep(0)
        heard.clear()

        await add(here, "a")

        await heard.wait()


async def test_with_the_direct_url_a_node_keeps_a_copy_out(
    migrated_database: PostgresDatabase, pooler: str, running: list[PostgresStorage]
) -> None:
    node = await started(through(pooler, direct=migrated_database), running)
    heard = asyncio.Event()
    node.on_foreign_commit(heard.set)
    async with asyncio.timeout(SOON_S):
        await heard.wait()  # that its session is there

    with pytest.raises(StorageUnavailable, match="a service, a program that enqueues"):
        async with copy_session(migrated_database):
            pass


async def test_a_direct_url_that_is_none_is_refused(
    migrated_database: PostgresDatabase, pooler: str, empty_database: PostgresDatabase
) -> None:
    with pytest.raises(StorageUnavailable, match="leads through a pooler"):
        await PostgresBackend(through(pooler, direct=through(pooler))).prepare()
    with pytest.raises(StorageUnavailable, match="leads to another database"):
        await PostgresBackend(through(pooler, direct=empty_database)).prepare()


async def test_a_copy_through_a_pooler_is_refused_though_its_url_does_not_say_so(
    migrated_database: PostgresDatabase, pooler: str
) -> None:
    with pytest.raises(StorageUnavailable, match="leads through a pooler in transaction mode"):
        async with copy_session(through(pooler)):
            pass


async def test_a_database_is_migrated_through_a_pooler(empty_database: PostgresDatabase) -> None:
    with pgbouncer(empty_database, "transaction") as url:
        before = tools.schema_of(through(url))
        taken = await tools.migrate(through(url))
        after = tools.schema_of(through(url))

    assert before.pending == taken != ()
    assert after.pending == ()


# --- what doctor says ---------------------------------------------------------------------------


def diagnosed(tmp_path: Path, **flags: str) -> dict[str, Finding]:
    """Return what `doctor` says with these flags, by check."""
    given = {"port": "0", "app": "tests.cli.jobs:app", **flags}
    found = diagnose(given, {}, tmp_path, min_free_bytes=0, now=time.time())
    return {finding.check: finding for finding in found.findings}


async def test_doctor_names_the_pooler_and_what_follows(
    migrated_database: PostgresDatabase, pooler: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    storage = PostgresStorage(migrated_database)
    await storage.open()
    await storage.insert([new_task("a", action="unheard of")], now=0.0)
    await storage.close()

    async with syncing(postgres):
        alone = diagnosed(tmp_path, database=pooler)
        both = diagnosed(tmp_path, database=pooler, database_direct=migrated_database.url)
        direct = diagnosed(tmp_path, database=migrated_database.url)

    assert alone["route"].level is Level.WARNING
    assert "transaction mode" in alone["route"].says
    assert "--database-direct" in str(alone["route"].advice)
    assert both["route"].level is direct["route"].level is Level.OK
    for each in (alone, both, direct):
        assert {each[check].level for check in ("server", "clock", "database")} == {Level.OK}
        assert "unheard of (1)" in each["actions"].says


def test_doctor_says_why_a_server_cannot_be_used(tmp_path: Path) -> None:
    url = "postgresql:///tasks?host=/no/such&user=me"

    found = diagnosed(tmp_path, database=url)["server"]

    assert found.level is Level.PROBLEM
    assert f"{url}: [Errno 2] No such file" in found.says


async def test_doctor_sees_who_keeps_a_transaction_open(
    migrated_database: PostgresDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskqueue.doctor.server.LONG_S", 0.0)
    program = await asyncpg.connect(
        migrated_database.dsn, server_settings={"application_name": "report"}
    )
    async with program.transaction():
        found = diagnosed(tmp_path, database=migrated_database.url)["transactions"]
    await program.close()

    assert found.level is Level.WARNING
    assert f"process {program.get_server_pid()} (report)" in found.says


# --- the contract ---------------------------------------------------------------------------------


@pytest.mark.long
class TestBehindAPooler(
    TasksContract,
    LeasesContract,
    GatesContract,
    GroupsContract,
    AdministrationContract,
    SchedulesContract,
    NodesContract,
):
    """Everything that changes rows."""

    @pytest.fixture
    async def storage(
        self, migrated_database: PostgresDatabase, pooler: str
    ) -> AsyncIterator[Storage]:
        storage = PostgresStorage(through(pooler).behind_pooler)
        await storage.open()
        yield storage
        await storage.close()


@pytest.mark.long
class TestHandlerSQLBehindAPooler(HandlerSQLContract):
    dialect = POSTGRES

    @pytest.fixture
    async def storage(
        self, migrated_database: PostgresDatabase, pooler: str
    ) -> AsyncIterator[Storage]:
        storage = PostgresStorage(through(pooler).behind_pooler)
        await storage.open()
        yield storage
        await storage.close()
        await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
