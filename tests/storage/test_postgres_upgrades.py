"""A fleet on PostgreSQL is migrated once, and upgraded node by node."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from taskqueue.errors import SchemaMismatch, StorageBusy
from taskqueue.release import version
from taskqueue.rules.tasks import Settled, Statement
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.postgres.schema.runner import POSTGRES_VERSION
from taskqueue.testing.contract.nodes import heartbeat
from taskqueue.testing.contract.sql_steps import apply, complete
from taskqueue.testing.contract.steps import ANOTHER, ME, add, claim, ids
from tests.postgres_server import PostgresServer, run_in, syncing

PROCESSES = 8


async def taskqueue(database: PostgresDatabase, *command: str) -> tuple[int, str]:
    """Run a command on a database in a process of its own; return how it ended and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "taskqueue", "--database", database.dsn, *command),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(90):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()


async def set_version(database: PostgresDatabase, number: int) -> None:
    await run_in(
        database, f"UPDATE taskqueue.meta SET value = '{number}' WHERE name = 'schema_version'"
    )


async def test_of_many_processes_that_start_at_once_one_migrates(
    empty_database: PostgresDatabase,
) -> None:
    ends = await asyncio.gather(*(taskqueue(empty_database, "migrate") for _ in range(PROCESSES)))

    assert {code for code, _ in ends} == {0}
    assert sum("migrated from schema version 0" in said for _, said in ends) == 1
    assert sum("up to date" in said for _, said in ends) == PROCESSES - 1


async def test_a_node_works_beside_those_of_the_next_release(
    fresh_database: PostgresDatabase,
) -> None:
    await set_version(fresh_database, POSTGRES_VERSION + 1)
    storage = PostgresStorage(fresh_database)

    migrated = await storage.migrate()
    await storage.open()
    await add(storage, "a")
    claimed = await claim(storage)
    await storage.close()

    assert migrated == ()
    assert ids(claimed) == ["a"]


async def test_a_node_two_releases_behind_is_refused(fresh_database: PostgresDatabase) -> None:
    await set_version(fresh_database, POSTGRES_VERSION + 2)
    storage = PostgresStorage(fresh_database)

    said = f"schema version {POSTGRES_VERSION + 2}.*needs {POSTGRES_VERSION}.*upgrade taskqueue"
    with pytest.raises(SchemaMismatch, match=said):
        await storage.migrate()
    with pytest.raises(SchemaMismatch, match=said):
        await storage.open()


async def test_a_service_two_releases_behind_does_not_start_and_says_so_in_one_line(
    fresh_database: PostgresDatabase,
) -> None:
    await set_version(fresh_database, POSTGRES_VERSION + 2)

    code, said = await taskqueue(fresh_database, "--port", "0")

    [line] = said.splitlines()
    needs = f"this release needs {POSTGRES_VERSION}: upgrade taskqueue"
    assert code == 1
    assert line.startswith("taskqueue: database: postgresql://")
    assert line.endswith(f" has schema version {POSTGRES_VERSION + 2}, {needs}")


def release_next(monkeypatch: pytest.MonkeyPatch, sql: str) -> None:
    """Have this release migrate one step further."""
    number = POSTGRES_VERSION + 1
    step = runner.Step(version=number, name="next", sql=sql)
    monkeypatch.setattr(runner, "POSTGRES_STEPS", (*runner.POSTGRES_STEPS, step))
    monkeypatch.setattr(runner, "POSTGRES_VERSION", number)


async def one_waits(sql: asyncpg.Connection) -> None:
    """Return when a session waits for a lock."""
    async with asyncio.timeout(20):
        while not await sql.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
            pass


@pytest.fixture
async def sql(fresh_database: PostgresDatabase) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(fresh_database.dsn)
    yield connection
    await connection.close()


async def test_a_migration_waits_for_a_commit_with_statements_of_a_node_of_the_release_before(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = PostgresStorage(fresh_database)
    await before.open()
    await apply(before, "CREATE TABLE accounts (balance int)", "INSERT INTO accounts VALUES (1)")
    await add(before, "a")
    [a] = await claim(before)
    release_next(monkeypatch, "CREATE TABLE taskqueue.next (x int)")
    async with sql.transaction():
        await sql.execute("LOCK TABLE accounts")
        settling = asyncio.ensure_future(
            complete(before, a, Statement(sql="UPDATE accounts SET balance = 2"))
        )
        await one_waits(sql)
        migrating = asyncio.ensure_future(PostgresStorage(fresh_database).migrate())
        async with asyncio.timeout(20):
            while not migrating.done() and not await sql.fetchval(_TWO_WAIT):
                pass
        waits = not migrating.done()

    assert await settling is Settled.WRITTEN
    assert waits
    assert len(await migrating) == 1
    await before.close()


_TWO_WAIT = "SELECT count(*) >= 2 FROM pg_locks WHERE NOT granted"


async def test_a_migration_gives_up_behind_a_long_transaction_for_which_all_would_wait(
    fresh_database: PostgresDatabase, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    release_next(monkeypatch, "ALTER TABLE taskqueue.tasks ADD COLUMN next int")
    async with sql.transaction():
        await sql.execute("SELECT FROM taskqueue.live_tasks")  # as a backup does

        with pytest.raises(StorageBusy):
            await PostgresStorage(fresh_database).migrate()

    assert len(await PostgresStorage(fresh_database).migrate()) == 1


async def test_a_node_that_freezes_within_a_migration_stops_no_other_for_long(
    empty_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    known_version_of, frozen = runner.known_version_of, asyncio.Event()

    async def freeze_first(db: SQL, where: str) -> int:
        if not frozen.is_set():
            frozen.set()
            await asyncio.Event().wait()
        return await known_version_of(db, where)

    monkeypatch.setattr(runner, "known_version_of", freeze_first)
    one = asyncio.ensure_future(PostgresStorage(empty_database).migrate())
    await frozen.wait()

    async with asyncio.timeout(20):
        taken = await PostgresStorage(empty_database).migrate()
    one.cancel()
    await asyncio.wait({one})

    assert len(taken) == len(runner.POSTGRES_STEPS)


async def test_a_service_whose_user_may_not_migrate_does_not_start_and_says_so_at_once(
    postgres: PostgresServer, empty_database: PostgresDatabase
) -> None:
    await postgres.run("CREATE ROLE guest LOGIN")
    try:
        as_guest = PostgresDatabase(url=empty_database.url.replace("user=postgres", "user=guest"))
        code, said = await taskqueue(as_guest, "--port", "0")
    finally:
        await postgres.run("DROP ROLE guest")

    [line] = [line for line in said.splitlines() if line.startswith("taskqueue: ")]
    assert code == 1
    assert "migration_failed" not in said  # what is tried again
    assert line.startswith("taskqueue: did not start: migration: storage unavailable: postgresql:")
    assert "the user of the database lacks a right (permission denied for database" in line


async def test_doctor_says_whether_the_database_and_all_nodes_are_of_a_release(
    fresh_database: PostgresDatabase, postgres: PostgresServer
) -> None:
    storage = PostgresStorage(fresh_database)
    await storage.open()
    now = time.time() + 60.0  # they are alive for as long as this test takes
    new = msgspec.structs.replace(heartbeat(ME), version=version())
    old = msgspec.structs.replace(heartbeat(ANOTHER), version="0.0.1")
    await storage.beat(new, now=now)
    require = ("--port", "0", "doctor", "--require-version", version(), "--json")

    async with syncing(postgres):
        all_new, _ = await taskqueue(fresh_database, *require)
        await storage.beat(old, now=now)
        one_old, said = await taskqueue(fresh_database, *require)
    await storage.close()

    assert (all_new, one_old) == (0, 1)
    assert problems(said) == [("nodes", f"{ANOTHER.node} runs 0.0.1")]


def problems(report: str) -> list[tuple[Any, Any]]:
    return [
        (each["check"], each["says"])
        for each in msgspec.json.decode(report)["findings"]
        if each["level"] == "problem"
    ]
