"""Tasks of many priorities that wait for a later day cost those of today nothing to speak of."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from taskqueue.rules.options import MAX_PRIORITY
from taskqueue.rules.tasks import NewTask, Owner
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import claiming, inserting, reads
from taskqueue.storage.sqlite.schema import runner

ME = Owner(node="here", incarnation="1")
IN_THREE_YEARS = 1e8
OPCODES_PER_PRIORITY = 90  # three searches: one for each kind of turn


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        runner.migrate(db)
        yield db


def task(task_id: str, **options: int | float) -> NewTask:
    return NewTask(id=task_id, action="echo", payload="{}", **options)  # type: ignore[arg-type]


def opcodes(db: sqlite3.Connection, work: Callable[[], object]) -> int:
    """Return how many instructions SQLite needs for something."""
    count = 0

    def one_more() -> None:
        nonlocal count
        count += 1

    db.set_progress_handler(one_more, 1)
    work()
    db.set_progress_handler(None, 0)
    return count


def test_the_search_for_due_tasks_takes_a_few_steps_per_priority_in_use(
    db: sqlite3.Connection,
) -> None:
    tx = Transaction(db)
    everywhere = [
        task(f"later {n}", priority=n, run_at=IN_THREE_YEARS) for n in range(MAX_PRIORITY + 1)
    ]

    def work() -> None:
        for n in range(3):
            coming = [task(f"{tx.db.total_changes} {n}", priority=MAX_PRIORITY)]
            inserting.insert_and_claim(
                tx, coming, room={"default": 1}, owner=ME, expires_at=9.0, now=1.0
            )
            inserting.insert(tx, [task(f"{tx.db.total_changes} {n}")], now=1.0)
            claiming.claim(tx, "default", limit=1, owner=ME, expires_at=9.0, now=1.0)
            claiming.claim(tx, "default", limit=1, owner=ME, expires_at=9.0, now=1.0)
            reads.next_due(db, "default")

    alone = opcodes(db, work)
    inserting.insert(tx, everywhere, now=0.0)
    beside = opcodes(db, work)

    searches = 3 * 4
    assert beside - alone < searches * OPCODES_PER_PRIORITY * (MAX_PRIORITY + 1)


def test_a_claim_finds_the_due_ones_among_all_priorities_in_their_order(
    db: sqlite3.Connection,
) -> None:
    tx = Transaction(db)
    inserting.insert(
        tx,
        [
            task(f"{n:03} {when}", priority=n, run_at=run_at)
            for n in range(MAX_PRIORITY + 1)
            for when, run_at in (("late", IN_THREE_YEARS), ("due", 0.5))
            if when == "late" or n % 100 == 99 or n == MAX_PRIORITY
        ],
        now=0.0,
    )

    claimed = claiming.claim(tx, "default", limit=10, owner=ME, expires_at=9.0, now=1.0)

    assert [each.task.id for each in claimed] == ["099 due", "199 due", "255 due"]
