"""The large file of the benchmarks is one that the service could have left behind."""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks import grown
from taskqueue.rules.tasks import Owner, Status
from taskqueue.storage.sqlite.engine import SQLiteStorage


async def _made(path: Path, rows: int) -> SQLiteStorage:
    await grown.make(path, rows, now=1e9)
    storage = SQLiteStorage(path)
    await storage.open()
    return storage


async def test_its_counters_tell_what_is_there(tmp_path: Path) -> None:
    storage = await _made(tmp_path / "grown.db", 1_000)

    counts = await storage.counts()
    found = {
        status: len(await storage.find(status=status, limit=1_000, now=1e9)) for status in Status
    }
    await storage.close()

    assert sum(counts.values()) == 1_000
    assert counts == found
    assert min(tasks for status, tasks in counts.items() if status is not Status.RUNNING) >= 10


async def test_what_waits_can_be_claimed_and_what_failed_says_why(tmp_path: Path) -> None:
    storage = await _made(tmp_path / "grown.db", 1_000)

    owner = Owner(node="here", incarnation="1")
    claimed = await storage.claim(grown.QUEUE, limit=1_000, owner=owner, lease_s=1.0, now=1e9)
    [dead] = await storage.find(status=Status.DEAD, limit=1, now=1e9)
    history = await storage.get(dead.id, now=1e9)
    rare = await storage.find(action=grown.RARE_ACTION, limit=1_000, now=1e9)
    counts = await storage.counts()
    await storage.close()

    assert len(claimed) == counts[Status.QUEUED]
    assert history is not None
    assert [attempt.error for attempt in history.attempts] == [dead.reason]
    assert len(rare) == 10


async def test_it_has_the_indexes_of_any_other(tmp_path: Path) -> None:
    migrated = SQLiteStorage(tmp_path / "migrated.db")
    await migrated.migrate()
    await migrated.close()
    await (await _made(tmp_path / "grown.db", 100)).close()

    assert _schema(tmp_path / "grown.db") == _schema(tmp_path / "migrated.db")


def _schema(path: Path) -> set[tuple[str, str]]:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return set(db.execute("SELECT name, sql FROM sqlite_master").fetchall())
