"""A fleet on PostgreSQL is migrated once, and upgraded node by node."""

import asyncio
import os
import sys
import time
from typing import Any

import msgspec
import pytest

from taskqueue.errors import SchemaMismatch
from taskqueue.release import version
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.postgres.schema.runner import POSTGRES_VERSION
from taskqueue.testing.contract.nodes import heartbeat
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
