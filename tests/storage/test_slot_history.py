"""A slot is decided as quickly at the end of a long history as at its beginning."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.rules.schedules.words import Overlap
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.sql import schedules as sql
from taskqueue.testing.contract.slots import fired, put

SLOTS = 300


async def make(path: Path) -> None:
    """Fire a schedule so often that each time its task of before has been cancelled."""
    storage = SQLiteStorage(path, synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    await put(storage, overlap=Overlap.CANCEL)
    for number in range(1, SLOTS + 1):
        await fired(storage, 60.0 * number)
    await storage.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with one schedule that has many slots behind it."""
    path = tmp_path_factory.mktemp("history") / "tasks.db"
    asyncio.run(make(path))
    return path


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (sql.ONE, ("report",)),
        (sql.CLOSE_ENDED, ("report",)),
        (sql.RUNNING, ("report", 60.0)),
        (sql.WAITING, ("report", 1e9, 1_000)),
        (sql.SKIP_WAITING, ("report", "too many")),
        (sql.LATEST_SLOTS, ("report", 3)),
    ],
)
def test_a_statement_reads_no_slots_that_are_over(
    path: Path, statement: str, values: tuple[object, ...]
) -> None:
    instructions = 0

    def count() -> int:
        nonlocal instructions
        instructions += 1
        return 0

    with closing(sqlite3.connect(path)) as db:
        [slots] = db.execute("SELECT count(*) FROM schedule_slots").fetchone()
        db.set_progress_handler(count, 1)
        db.execute(statement, values).fetchall()
        db.rollback()

    assert slots == SLOTS
    assert instructions < SLOTS  # of SQLite's machine, which takes several for a row


def test_slots_that_wait_are_counted_without_looking_them_up(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {sql.WAITING}", ("report", 1e9, 1_000)).fetchall()

    assert [step for *_, step in plan if "COVERING INDEX waiting_slots" in step]
