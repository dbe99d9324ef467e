"""Tasks come in through a user's own connection to PostgreSQL, in the user's own transaction."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing

import asyncpg
import psycopg
import pytest

from taskqueue import KeyConflict, postgres
from taskqueue.errors import SchemaMismatch, StorageUnavailable
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.tasks import Acceptance, Accepted
from taskqueue.rules.uniqueness import KeyRule, OnRepeat
from taskqueue.storage.postgres import serving
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.testing.contract.keys import keyed
from taskqueue.testing.contract.steps import claim, ids, new_task, task_of
from tests.postgres_server import run_in
from tests.storage.user_drivers import USERS, User

ORDERS = "CREATE TABLE orders (id text)"
ORDER = "INSERT INTO orders VALUES ('book')"


@pytest.fixture
async def database(migrated_database: PostgresDatabase) -> AsyncIterator[PostgresDatabase]:
    await run_in(migrated_database, ORDERS)
    yield migrated_database
    await run_in(migrated_database, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
def woken() -> asyncio.Queue[None]:
    """Give what the service is woken by; first of all by its own listening."""
    return asyncio.Queue()


@pytest.fixture
async def storage(
    database: PostgresDatabase, woken: asyncio.Queue[None]
) -> AsyncIterator[PostgresStorage]:
    """The service's storage, open all the time."""
    storage = PostgresStorage(database)
    storage.on_foreign_commit(lambda: woken.put_nowait(None))
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture(params=USERS)
async def user(request: pytest.FixtureRequest, database: PostgresDatabase) -> AsyncIterator[User]:
    async with USERS[request.param](database) as user:
        yield user


async def there(storage: PostgresStorage) -> list[str]:
    """Return the ids of all tasks, once it is sure that the counters agree."""
    found = await storage.find(limit=1000, now=0.0)
    assert sum((await storage.counts()).values()) == len(found)
    return ids(found)


async def orders(database: PostgresDatabase) -> int:
    connection = await asyncpg.connect(database.dsn)
    try:
        count: int = await connection.fetchval("SELECT count(*) FROM orders")
        return count
    finally:
        await connection.close()


def accepted(*task_ids: str) -> tuple[Accepted, ...]:
    return tuple(Accepted(id=each, acceptance=Acceptance.ACCEPTED) for each in task_ids)


async def test_a_task_comes_with_the_callers_own_rows(
    storage: PostgresStorage, database: PostgresDatabase, user: User
) -> None:
    await user.execute(ORDER)
    answers = await user.enqueue(new_task("a"), new_task("b"), now=0.0)
    before = await there(storage), await orders(database)
    await user.commit()

    assert answers == accepted("a", "b")
    assert before == ([], 0)
    assert (await there(storage), await orders(database)) == (["b", "a"], 1)
    assert ids(await claim(storage)) == ["a", "b"]


async def test_a_task_is_accepted_by_the_clock_of_the_server(
    storage: PostgresStorage, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskqueue.clock.time", lambda: 0.0)  # this machine believes in 1970

    await user.enqueue(new_task("a"))
    await user.commit()

    assert (await task_of(storage, "a")).created_at == pytest.approx(time.time(), abs=60.0)


def test_a_connection_in_pipeline_mode_is_refused(database: PostgresDatabase) -> None:
    with (
        psycopg.connect(database.dsn) as connection,
        connection.pipeline(),
        pytest.raises(ValueError, match="pipeline mode"),
    ):
        postgres.enqueue(connection, new_task("a"), now=0.0)


async def test_an_asynchronous_connection_in_pipeline_mode_is_refused_too(
    database: PostgresDatabase,
) -> None:
    async with (
        await psycopg.AsyncConnection.connect(database.dsn) as connection,
        connection.pipeline(),
    ):
        with pytest.raises(ValueError, match="pipeline mode"):
            await postgres.enqueue_async(connection, new_task("a"), now=0.0)


async def test_none_is_accepted_beside_a_copy(database: PostgresDatabase, user: User) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        await serving.hold(connection, str(database))  # as a copy does
        with pytest.raises(StorageUnavailable, match="is being copied"):
            await user.enqueue(new_task("a"), now=0.0)
    finally:
        await connection.close()


async def test_a_rollback_leaves_neither_the_task_nor_the_row(
    storage: PostgresStorage, database: PostgresDatabase, user: User
) -> None:
    await user.execute(ORDER)
    await user.enqueue(new_task("a"))
    await user.rollback()

    assert (await there(storage), await orders(database)) == ([], 0)


async def test_the_call_alone_begins_a_transaction_that_the_caller_ends(
    storage: PostgresStorage, user: User
) -> None:
    await user.enqueue(new_task("a"))
    await user.rollback()
    await user.enqueue(new_task("b"))
    await user.commit()

    assert await there(storage) == ["b"]


async def test_keys_are_answered_as_the_service_answers_them(
    storage: PostgresStorage, user: User
) -> None:
    await storage.insert([keyed("a")], now=0.0)

    [repeated] = await user.enqueue(keyed("b"), now=5.0)
    with pytest.raises(KeyConflict):
        await user.enqueue(new_task("c"), keyed("d", fingerprint="g"))
    await user.commit()

    assert repeated == Accepted(id="a", acceptance=Acceptance.REPEATED)
    assert await there(storage) == ["c", "a"]


async def test_a_call_that_fails_takes_only_its_own_work_back(
    storage: PostgresStorage, database: PostgresDatabase, user: User
) -> None:
    await user.execute(ORDER)
    await user.enqueue(new_task("a"))
    with pytest.raises(Exception, match=r"out of|int8"):
        await user.enqueue(new_task("b"), new_task("c", priority=2**70))
    await user.enqueue(new_task("d"))
    await user.commit()

    assert (await there(storage), await orders(database)) == (["d", "a"], 1)


async def test_groups_turns_and_limits_count_what_is_enqueued(
    storage: PostgresStorage, user: User
) -> None:
    await storage.declare_limits({"smtp": LimitValues(running=1)}, now=0.0)
    limits = encoded((LimitUse("smtp"),))

    await user.enqueue(
        new_task("grouped", group="import"),
        new_task("fair", queue="fair", flow="tenant"),
        new_task("limited", queue="limited", limits=limits),
        new_task("parked", queue="limited", limits=limits),
        new_task("later", run_at=1e9),
        now=0.0,
    )
    await user.commit()

    group = await storage.get_group("import")
    assert group is not None
    assert sum(group.tasks.values()) == 1
    assert ids(await claim(storage, queue="limited")) == ["limited"]
    assert ids(await claim(storage, queue="fair")) == ["fair"]


async def test_what_waits_under_a_key_is_replaced(storage: PostgresStorage, user: User) -> None:
    rule = KeyRule(on_repeat=OnRepeat.REPLACE)
    await storage.insert([keyed("a", key_rule=rule)], now=0.0)

    [answer] = await user.enqueue(keyed("b", key_rule=rule, payload="{}", fingerprint="g"), now=1.0)
    await user.commit()

    assert (answer.id, answer.acceptance) == ("a", Acceptance.REPLACED)
    assert (await task_of(storage, "a")).payload == "{}"


async def test_the_service_is_woken_by_the_commit_and_not_before(
    storage: PostgresStorage, woken: asyncio.Queue[None], user: User
) -> None:
    await asyncio.wait_for(woken.get(), timeout=10)

    await user.enqueue(new_task("a"))
    await user.enqueue(new_task("b"))
    before = woken.qsize()
    await user.commit()
    await asyncio.wait_for(woken.get(), timeout=10)

    assert before == 0
    assert await there(storage) == ["b", "a"]


# --- connections that commit by themselves, and others that cannot be used ------------------------


async def test_in_autocommit_mode_the_call_commits_as_a_whole(
    storage: PostgresStorage, database: PostgresDatabase
) -> None:
    unfit = new_task("unfit", priority=2**70)
    connection = await asyncpg.connect(database.dsn)
    await postgres.enqueue_async(connection, new_task("a"))
    with pytest.raises(asyncpg.DataError):
        await postgres.enqueue_async(connection, new_task("b"), unfit)
    is_open = connection.is_in_transaction()
    await connection.close()
    with psycopg.connect(database.dsn, autocommit=True) as blocking:
        postgres.enqueue(blocking, new_task("c"))
        with pytest.raises(psycopg.DataError):
            postgres.enqueue(blocking, new_task("d"), unfit)

        assert not is_open
        assert await there(storage) == ["c", "a"]


@pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])
async def test_a_stricter_transaction_gets_answers_or_a_conflict_to_repeat(
    storage: PostgresStorage, database: PostgresDatabase, isolation: str
) -> None:
    connection = await asyncpg.connect(database.dsn)
    async with connection.transaction(isolation=isolation):
        await connection.execute(ORDER)  # its snapshot is taken
        await storage.insert([keyed("a", key="k")], now=0.0)
        await postgres.enqueue_async(connection, new_task("b"))
        with pytest.raises(asyncpg.SerializationError):
            await postgres.enqueue_async(connection, keyed("c", key="k"))
    async with connection.transaction(isolation=isolation):
        [repeated] = await postgres.enqueue_async(connection, keyed("c", key="k"))
    await connection.close()

    assert repeated == Accepted(id="a", acceptance=Acceptance.REPEATED)
    assert await there(storage) == ["b", "a"]


async def test_without_a_notice_the_tasks_are_there_all_the_same(
    storage: PostgresStorage, database: PostgresDatabase
) -> None:
    connection = await asyncpg.connect(database.dsn)
    heard: list[object] = []
    await connection.add_listener("taskqueue", lambda *notice: heard.append(notice))
    with psycopg.connect(database.dsn) as user:
        postgres.enqueue(user, new_task("a"), notify=False)
        user.commit()
        await connection.execute("SELECT 1")  # what was sent before comes before its answer
        quiet = [*heard]
        postgres.enqueue(user, new_task("b"))
        postgres.enqueue(user, new_task("c"))
        user.commit()
        await connection.execute("SELECT 1")
    await connection.close()

    assert quiet == []
    assert len(heard) == 1
    assert await there(storage) == ["c", "b", "a"]


async def test_a_database_that_was_never_migrated_is_refused_and_the_transaction_goes_on(
    empty_database: PostgresDatabase,
) -> None:
    with psycopg.connect(empty_database.dsn) as user:
        user.execute(ORDERS)
        with pytest.raises(SchemaMismatch):
            postgres.enqueue(user, new_task("a"))
        user.execute(ORDER)
        user.commit()

    assert await orders(empty_database) == 1


async def test_what_cannot_be_used_is_refused_by_name(database: PostgresDatabase) -> None:
    with closing(sqlite3.connect(":memory:")) as other, psycopg.connect(database.dsn) as user:
        with pytest.raises(TypeError, match=r"psycopg 3.*not sqlite3\.Connection"):
            postgres.enqueue(other, new_task("a"))
        with pytest.raises(TypeError, match=r"asyncpg.*use `enqueue`.*not psycopg\.Connection"):
            await postgres.enqueue_async(user, new_task("a"))
    connection = await asyncpg.connect(database.dsn)
    with pytest.raises(TypeError, match="use `enqueue_async`"):
        postgres.enqueue(connection, new_task("a"))
    with pytest.raises(TypeError, match="must be a task"):
        await postgres.enqueue_async(connection, "a")  # type: ignore[arg-type]
    await connection.close()
