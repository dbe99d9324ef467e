"""What a page of tasks costs depends on what is asked for, and not on how many tasks there are."""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import grown
from taskqueue.rules.filters import MAX_ROWS, Found, Sort, TaskFilter
from taskqueue.rules.tasks import NewTask, Owner, Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations import searching
from taskqueue.storage.sqlite.schema import runner
from taskqueue.testing.contract.steps import ids

TASKS = 30_000
NOW = 1e9
PAGE = 10
OWNER = Owner(node="here", incarnation="1")

ACTIONS = (None, grown.ACTION, grown.RARE_ACTION, "nothing of that kind")
QUEUES = (None, grown.QUEUE, "nobody's")
ASKED = list(itertools.product((None, *Status), ACTIONS, QUEUES))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with many tasks, of which some run and some are held."""
    path = tmp_path_factory.mktemp("pages") / "many.db"
    asyncio.run(_make(path))
    return path


async def _make(path: Path) -> None:
    await grown.make(path, TASKS, now=NOW)
    storage = SQLiteStorage(path)
    await storage.open()
    claimed = await storage.claim(grown.QUEUE, limit=15, owner=OWNER, lease_s=60.0, now=NOW)
    await storage.start([each.token for each in claimed[3:]], now=NOW)
    await storage.close()


@pytest.fixture
def db(many: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(many, isolation_level=None)) as db:
        yield db


class Steps:
    """Counts what SQLite does, in steps of its virtual machine."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.taken = 0
        db.set_progress_handler(self._count, 1)

    def _count(self) -> int:
        self.taken += 1
        return 0


def page(
    db: sqlite3.Connection,
    status: Status | None = None,
    action: str | None = None,
    queue: str | None = None,
    *,
    before: str | None = None,
    now: float = NOW,
    sort: Sort = Sort.NEWEST,
) -> list[str]:
    statuses = () if status is None else (status,)
    wanted = TaskFilter(statuses=statuses, action=action, queue=queue)
    return ids(searched(db, wanted, after=before, now=now, sort=sort).tasks)


def searched(
    db: sqlite3.Connection,
    wanted: TaskFilter,
    *,
    after: str | None = None,
    now: float = NOW,
    sort: Sort = Sort.NEWEST,
    max_rows: int = MAX_ROWS,
) -> Found:
    return searching.search(
        db, wanted, after=after, sort=sort, limit=PAGE, now=now, max_rows=max_rows
    )


def walked(
    db: sqlite3.Connection,
    status: Status | None,
    action: str | None,
    queue: str | None,
    *,
    before: str | None = None,
    sort: Sort = Sort.NEWEST,
) -> list[str]:
    """Return the same page by looking at every task."""
    behind, direction = ("<", "DESC") if sort is Sort.NEWEST else (">", "ASC")
    found = db.execute(
        f"""
        SELECT id FROM tasks NOT INDEXED
        WHERE coalesce(status = ?, true) AND coalesce(action = ?, true)
            AND coalesce(queue = ?, true) AND coalesce(id {behind} ?, true)
        ORDER BY id {direction} LIMIT ?
        """,
        (status, action, queue, before, PAGE),
    )
    return [task_id for (task_id,) in found.fetchall()]


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize(("status", "action", "queue"), ASKED)
def test_two_pages_of_whatever_sort_take_fewer_steps_than_there_are_tasks(
    db: sqlite3.Connection,
    status: Status | None,
    action: str | None,
    queue: str | None,
    sort: Sort,
) -> None:
    [middle] = db.execute("SELECT id FROM tasks WHERE seq = ?", (TASKS * 3 // 5,)).fetchone()
    asked = (status, action, queue)
    wanted = [walked(db, *asked, before=before, sort=sort) for before in (None, middle)]

    steps = Steps(db)
    found = [page(db, *asked, before=before, sort=sort) for before in (None, middle)]

    assert found == wanted
    assert steps.taken < TASKS


@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize(
    "wanted",
    [
        TaskFilter(text="nowhere"),
        TaskFilter(text="nowhere", statuses=(Status.COMPLETED, Status.DEAD)),
        TaskFilter(created_after=NOW * 2, action=grown.ACTION),
        TaskFilter(ended_before=0.0, statuses=(Status.QUEUED, Status.RUNNING)),
    ],
)
def test_what_no_index_answers_is_compared_for_a_bounded_number_of_rows(
    db: sqlite3.Connection, wanted: TaskFilter, sort: Sort
) -> None:
    few = 100
    steps = Steps(db)

    found = searched(db, wanted, sort=sort, max_rows=few)

    assert found.tasks == ()
    assert steps.taken < 100 * few < TASKS


def test_a_key_is_looked_up(db: sqlite3.Connection) -> None:
    steps = Steps(db)

    found = searched(db, TaskFilter(unique_key="nobody's", text="x", created_after=0.0))

    assert found == Found(tasks=())
    assert steps.taken < 1_000 < TASKS


# --- what is scheduled, on either side of now -----------------------------------------------------

FEW = 12
MANY = 11_000
EARLY, LATE = 1.0, 2.0


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED])
@pytest.mark.parametrize("action", [None, "mail"])
async def test_few_on_one_side_of_now_are_found_without_walking_the_many_on_the_other(
    tmp_path: Path, status: Status, action: str | None
) -> None:
    few, many = (EARLY, LATE) if status is Status.QUEUED else (LATE, EARLY)
    path = await _scheduled(tmp_path, [few] * FEW + [many] * MANY)

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        steps = Steps(db)
        found = page(db, status, action, now=EARLY)

    assert found == [f"{n:06}" for n in range(FEW)][: -PAGE - 1 : -1]
    assert steps.taken < MANY


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED])
@pytest.mark.parametrize("action", [None, "mail"])
async def test_many_on_both_sides_of_now_are_not_sorted(
    tmp_path: Path, status: Status, action: str | None
) -> None:
    path = await _scheduled(tmp_path, [EARLY, LATE] * MANY)

    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        steps = Steps(db)
        found = page(db, status, action, now=EARLY)

    newest = 2 * MANY - (2 if status is Status.QUEUED else 1)
    assert found == [f"{newest - 2 * n:06}" for n in range(PAGE)]
    assert steps.taken < 5 * MANY  # of which counting that they are many takes nearly all


async def _scheduled(tmp_path: Path, instants: list[float]) -> Path:
    """Make a file with a task for each of these instants, in the order of their ids."""
    storage = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    tasks = [
        NewTask(id=f"{n:06}", action="mail", payload="{}", run_at=run_at)
        for n, run_at in enumerate(instants)
    ]
    await storage.insert(tasks, now=0.0)
    await storage.close()
    return tmp_path / "tasks.db"


# --- a file of the release before -----------------------------------------------------------------


async def test_a_file_that_was_listed_by_status_alone_keeps_its_tasks_and_finds_them(
    tmp_path: Path,
) -> None:
    path = tmp_path / "tasks.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db, runner.SQLITE_STEPS[:2])
        db.executemany(
            "INSERT INTO tasks (id, payload, status, created_at, action, queue, priority, run_at,"
            " max_attempts) VALUES (?, '{}', ?, 0.0, ?, 'default', 0, ?, 5)",
            [("a", "queued", "uppercase", 0.0), ("b", "scheduled", "mail", 5.0)],
        )
        db.execute("UPDATE counters SET tasks = 1 WHERE status IN ('queued', 'scheduled')")

    storage = SQLiteStorage(path)
    taken = await storage.migrate()
    await storage.open()
    counts = await storage.counts()
    mails = await storage.find(status=Status.QUEUED, action="mail", limit=PAGE, now=5.0)
    both = await storage.find(queue="default", limit=PAGE, now=5.0)
    await storage.close()

    assert (taken[0].version, taken[0].name) == (3, "listing")
    assert (counts[Status.QUEUED], counts[Status.SCHEDULED]) == (1, 1)
    assert (ids(mails), ids(both)) == (["b"], ["b", "a"])
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
