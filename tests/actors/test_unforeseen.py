"""What nothing foresees is an error of whoever asked, and never the end of an actor."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.errors import OperationFailed
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.events import EventLog
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import Lives, World


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
async def sqlite_world(events: EventLog, path: Path) -> AsyncIterator[World]:
    lives = Lives()
    async with World(events, lambda: SQLiteStorage(path)) as world:
        yield world
    await lives.assert_no_more()


def run(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for sql in statements:
            db.execute(sql)


async def test_a_trigger_of_the_users_own_that_fails_is_told_to_each_who_enqueues(
    sqlite_world: World, path: Path
) -> None:
    await sqlite_world.start()
    run(
        path,
        "CREATE TABLE audit (id)",
        """
        CREATE TRIGGER auditing AFTER INSERT ON tasks
        BEGIN INSERT INTO audit VALUES (new.id); END
        """,
        "DROP TABLE audit",
    )

    for _ in range(11):
        with pytest.raises(OperationFailed, match=r"no such table: main\.audit"):
            await sqlite_world.enqueue("quick")
    run(path, "DROP TRIGGER auditing")
    task_id = await sqlite_world.enqueue("quick")
    await sqlite_world.completed(task_id)

    assert sqlite_world.events.select("actor_crashed") == []
    assert len(sqlite_world.events.select("storage_operation_failed")) == 11


async def test_a_trigger_that_keeps_tasks_from_ending_holds_them_up_until_it_is_gone(
    sqlite_world: World, path: Path
) -> None:
    await sqlite_world.start()
    task_id = await sqlite_world.enqueue("wait")
    await sqlite_world.begun(task_id)
    run(
        path,
        "CREATE TABLE audit (id)",
        """
        CREATE TRIGGER auditing AFTER UPDATE ON tasks
        BEGIN INSERT INTO audit VALUES (new.id); END
        """,
        "DROP TABLE audit",
    )

    sqlite_world.gate.open()
    await sqlite_world.events.wait_for("storage_operation_failed", verb="settle")
    run(path, "DROP TRIGGER auditing")
    await sqlite_world.completed(task_id)

    assert sqlite_world.events.select("actor_crashed") == []


async def test_a_completion_that_cannot_be_stored_is_a_failure_of_its_attempt(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    for _ in range(3):
        storage.fail_next("settle", OverflowError("Python int too large"))

    world.gate.open()
    await world.completed(task_id)

    history = await world.history(task_id)
    assert [str(each.outcome) for each in history.attempts] == ["failed", "completed"]
    assert str(history.attempts[0].error) == (
        "cannot be completed: OverflowError: Python int too large"
    )
    assert world.events.select("actor_crashed") == []
