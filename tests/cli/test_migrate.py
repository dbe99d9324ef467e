"""`taskqueue migrate` brings a file up to date, and only while no service runs on it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue import AsyncClient
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.schema import runner
from tests.cli.conftest import Done, taskqueue
from tests.forked.service import ForkedService

BEFORE, LAST = (step.version for step in runner.SQLITE_STEPS[-2:])


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database with the schema of an earlier release."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as db:
        runner.migrate(db, runner.SQLITE_STEPS[:-1])
    return path


def version_of(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return runner.version_of(db)


async def test_an_older_file_is_migrated_once_and_check_says_when(old: Path) -> None:
    flags = ("--database", str(old), "migrate")
    step = f"{LAST} {runner.SQLITE_STEPS[-1].name}"

    needed = await taskqueue(*flags, "--check")
    untouched = version_of(old)
    done = await taskqueue(*flags)
    again = await taskqueue(*flags)
    as_json = await taskqueue(*flags, "--check", "--json")

    way = f"schema version {BEFORE} to {LAST} ({step})"
    assert (needed, untouched) == (Done(1, f"{old}: needs a migration from {way}", ""), BEFORE)
    assert done == Done(0, f"{old}: migrated from {way}", "")
    assert again == Done(0, f"{old}: schema version {LAST}, up to date", "")
    assert as_json.json == {"path": str(old), "from": LAST, "to": LAST, "steps": []}
    assert version_of(old) == LAST


async def test_clients_can_use_a_migrated_file_before_any_service(old: Path) -> None:
    await taskqueue("--database", str(old), "migrate")

    async with AsyncClient(f"sqlite:///{old}") as queue:
        task = await queue.enqueue("greet")

        assert await task.status() is Status.QUEUED


async def test_it_refuses_while_a_service_runs_on_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data/tasks.db"
    async with ForkedService(tmp_path):
        refused = await taskqueue("--database", str(path), "migrate")
        checked = await taskqueue("--database", str(path), "migrate", "--check")

    assert (refused.code, refused.out) == (1, "")
    assert f"another taskqueue process holds {path}" in refused.err
    assert checked.code == 0


async def test_no_file_is_made_and_a_newer_one_is_left_alone(tmp_path: Path) -> None:
    none, newer = tmp_path / "none.db", tmp_path / "newer.db"
    with closing(sqlite3.connect(newer)) as db:
        db.execute(f"PRAGMA user_version = {LAST + 1}")

    missing = await taskqueue("--database", str(none), "migrate")
    refused = await taskqueue("--database", str(newer), "migrate")

    assert (missing.code, none.exists()) == (1, False)
    assert missing.err == (
        f"taskqueue: storage unavailable: there is no {none}; the service makes it when it starts"
    )
    assert refused == Done(
        1,
        "",
        f"taskqueue: {newer} has schema version {LAST + 1}, this release needs {LAST}: "
        "upgrade taskqueue",
    )
