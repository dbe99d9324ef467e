"""`taskqueue copy` moves a service to another engine, and says what it has done."""

import asyncio
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue import AsyncClient
from taskqueue.storage.copying.tables import TABLES
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceEnded
from tests.cli.conftest import Done, taskqueue
from tests.forked.service import ForkedService
from tests.storage.kept import filled

APP = ("--app", "tests.cli.jobs:app")


async def half_copied(source: Path, target: str) -> None:
    """Copy until the process kills itself."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.half_a_copy", str(source), target, "12"
    )
    await program.wait()


async def test_it_prints_what_each_table_has_on_both_sides(
    tmp_path: Path, migrated_database: PostgresDatabase
) -> None:
    path = await filled(tmp_path / "kept.db")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("CREATE TABLE orders (id TEXT)")

    there = await taskqueue("copy", str(path), migrated_database.url)
    back = await taskqueue("copy", migrated_database.url, f"sqlite:///{tmp_path}/new.db", "--json")

    header, *lines = there.out.splitlines()
    assert there.code == 0
    assert there.err == "taskqueue: not copied, because not the queue's: orders"
    assert header.split() == ["table", "source", "rows", "target", "rows", "source", "target"]
    assert [line.split()[0] for line in lines] == [table.name for table in TABLES]
    for table, source, target, ours, theirs, verdict in map(str.split, lines):
        assert (table, source, ours, verdict) == (table, target, theirs, "same")
    assert back.json["source"] == str(migrated_database)
    assert back.json["target"] == f"{tmp_path}/new.db"
    assert back.json["left_out"] == []
    for table in back.json["tables"]:
        assert table["source"] == table["target"]
        assert set(table["source"]) == {"rows", "checksum"}


async def test_a_difference_ends_it_with_1_and_no_service_starts(
    tmp_path: Path, migrated_database: PostgresDatabase
) -> None:
    path = await filled(tmp_path / "kept.db")
    await half_copied(path, migrated_database.url)
    storage = SQLiteStorage(path)
    await storage.open()
    await storage.pause("fax", now=3.0)
    await storage.close()

    done = await taskqueue("copy", str(path), migrated_database.url)
    with pytest.raises(ServiceEnded, match="half a copy of another database"):
        async with ForkedService(tmp_path, *APP, "--database", migrated_database.url):
            pass
    again = await taskqueue("copy", str(path), migrated_database.url, "--start-over")

    [line] = [line for line in done.out.splitlines() if line.startswith("paused")]
    assert (done.code, again.code) == (1, 0)
    assert line.split()[:3] == ["paused", "2", "1"]
    assert line.endswith("DIFFERENT")
    assert "paused differ, so no service starts on" in done.err
    assert "--start-over" in done.err


async def test_a_source_or_target_that_cannot_be_is_named(tmp_path: Path) -> None:
    no_engine = await taskqueue("copy", "mysql://localhost/a", "b.db")
    no_name = await taskqueue("copy", "sqlite:///a.db", "postgresql://localhost")
    none = await taskqueue("copy", str(tmp_path / "none.db"), str(tmp_path / "b.db"))

    assert (no_engine.code, no_name.code) == (2, 2)
    assert "'SOURCE': no engine has the scheme 'mysql'" in no_engine.err
    assert "'TARGET': a PostgreSQL URL names a database" in no_name.err
    assert none == Done(1, "", f"taskqueue: storage unavailable: there is no {tmp_path}/none.db")


@pytest.mark.timeout(120)
async def test_a_service_on_the_copy_runs_what_was_queued_and_what_was_running(
    tmp_path: Path, migrated_database: PostgresDatabase
) -> None:
    before = tmp_path / "data/tasks.db"
    async with ForkedService(tmp_path, *APP) as source, AsyncClient(source.url) as client:
        running = await client.enqueue("nap", seconds=3600.0)
        await source.wait_for("attempt_started", task_id=running.id)
        await client.pause("default")
        queued = [await client.enqueue("resize", url=f"{n}.png") for n in range(3)]
        source.kill()
        await source.wait()
    done = await taskqueue("copy", str(before), migrated_database.url)

    flags = (*APP, "--database", migrated_database.url)
    async with ForkedService(tmp_path, *flags) as target, AsyncClient(target.url) as client:
        await client.resume("default")
        results = [await client.task(task.id).result(timeout_s=30.0) for task in queued]
        rescued = await target.wait_for("task_rescued", task_id=running.id)
        await target.wait_for("attempt_started", task_id=running.id)

    assert done.code == 0, done
    assert [result["thumbnail"] for result in results] == [f"{n}.png?width=800" for n in range(3)]
    assert rescued["task_id"] == running.id
