"""How many tasks wait in each queue: counted exactly, and not one by one."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.ids import new_id
from taskqueue.rules.tasks import NewTask, Owner, Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations.depths import depths

NOW = 1_000.0
LATER = NOW + 3_600
OWNER = Owner(node="here", incarnation="1")

Kinds = Mapping[tuple[str, str], int]
"""How many tasks there are, by action and queue."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty file."""
    path = tmp_path / "tasks.db"
    asyncio.run(_migrate(path))
    return path


async def _migrate(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.close()


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        yield db


async def fill(path: Path, kinds: Kinds, *, run_at: float | None = None, running: int = 0) -> None:
    storage = SQLiteStorage(path)
    await storage.open()
    for (action, queue), number in kinds.items():
        payload = f'{{"action":"{action}","data":{{}}}}'
        tasks = [
            NewTask(id=new_id(), action=action, queue=queue, payload=payload, run_at=run_at)
            for _ in range(number)
        ]
        await storage.insert(tasks, now=NOW)
    claimed = await storage.claim("default", limit=running, owner=OWNER, lease_s=60.0, now=NOW)
    await storage.start([each.token for each in claimed], now=NOW)
    await storage.close()


def counted(db: sqlite3.Connection) -> dict[str, dict[Status, int]]:
    """Count row by row."""
    rows: Sequence[tuple[str, str]] = db.execute("SELECT queue, status FROM tasks").fetchall()
    found: dict[str, dict[Status, int]] = {}
    for (queue, status), tasks in Counter(rows).items():
        found.setdefault(queue, {})[Status(status)] = tasks
    return found


@pytest.mark.parametrize(
    "kinds",
    [
        {},
        {("a", "default"): 3},
        {("a", "default"): 999, ("b", "default"): 1_000, ("a", "mail"): 1_001},
        {("a", "default"): 1_200, ("b", "default"): 1_300, ("a", "mail"): 1_300, ("c", "mail"): 2},
    ],
)
def test_each_queue_has_as_many_as_there_are_rows(
    path: Path, db: sqlite3.Connection, kinds: Kinds
) -> None:
    asyncio.run(fill(path, kinds, running=2))
    asyncio.run(fill(path, {("a", "default"): 5, ("a", "mail"): 2_000}, run_at=LATER))

    assert depths(db) == counted(db)


def test_the_largest_backlog_is_not_counted(path: Path, db: sqlite3.Connection) -> None:
    kinds = {("a", "default"): 4_000, ("b", "default"): 10, ("a", "mail"): 20}
    asyncio.run(fill(path, kinds))
    steps = 0

    def count() -> None:
        nonlocal steps
        steps += 1

    db.set_progress_handler(count, 1)
    found = depths(db)

    assert found == {"default": {Status.QUEUED: 4_010}, "mail": {Status.QUEUED: 20}}
    assert steps < 20_000  # to count all of them takes 5 each, and more
