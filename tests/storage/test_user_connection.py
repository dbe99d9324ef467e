"""Tasks come in through a user's own connection, in the user's own transaction."""

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

import taskqueue
from taskqueue import KeyConflict, sqlite
from taskqueue.errors import SchemaMismatch
from taskqueue.rules.tasks import Acceptance, Accepted, Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.schema import runner
from taskqueue.testing.contract.keys import keyed
from taskqueue.testing.contract.steps import claim, ids, new_task

ROOT = Path(taskqueue.__file__).parent.parent
MODES = ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[SQLiteStorage]:
    """The service's storage, open all the time."""
    storage = SQLiteStorage(tmp_path / "tasks.db")
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def path(storage: SQLiteStorage, tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
def mine(path: Path) -> Iterator[sqlite3.Connection]:
    """A user's connection, beside the service's, with a table of its own."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE orders (id TEXT)")
        yield connection


async def there(storage: SQLiteStorage) -> list[str]:
    """Return the ids of all tasks, once it is sure that the counters agree."""
    found = await storage.find(limit=1000, now=0.0)
    counts = await storage.counts()
    assert {status: n for status, n in counts.items() if n} == {
        status: [task.status for task in found].count(status)
        for status in {task.status for task in found}
    }
    return ids(found)


def orders(connection: sqlite3.Connection) -> list[Any]:
    return connection.execute("SELECT id FROM orders").fetchall()


def accepted(*task_ids: str) -> tuple[Accepted, ...]:
    return tuple(Accepted(id=each, acceptance=Acceptance.ACCEPTED) for each in task_ids)


# --- the caller's transaction ---------------------------------------------------------------------


async def test_a_task_comes_with_the_callers_own_rows(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    with mine:
        mine.execute("INSERT INTO orders VALUES ('7')")
        answers = sqlite.enqueue(
            mine, new_task("b", priority=2), new_task("a", run_at=9.0), now=5.0
        )
        before = await there(storage)

    assert answers == accepted("b", "a")
    assert before == []
    assert await there(storage) == ["b", "a"]
    [delivery] = await claim(storage, now=5.0)
    assert (delivery.task.id, delivery.task.priority, delivery.task.created_at) == ("b", 2, 5.0)
    assert (await storage.counts())[Status.SCHEDULED] == 1


async def test_a_rollback_leaves_neither_the_task_nor_the_row(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    mine.execute("INSERT INTO orders VALUES ('7')")
    sqlite.enqueue(mine, new_task("a"))

    mine.rollback()

    assert await there(storage) == []
    assert orders(mine) == []


@pytest.mark.parametrize("isolation_level", MODES)
async def test_without_a_transaction_one_is_begun_that_the_caller_commits(
    storage: SQLiteStorage, mine: sqlite3.Connection, isolation_level: Any
) -> None:
    mine.isolation_level = isolation_level

    sqlite.enqueue(mine, new_task("a"))
    mine.execute("INSERT INTO orders VALUES ('7')")

    assert mine.in_transaction
    assert await there(storage) == []
    mine.commit()
    assert await there(storage) == ["a"]


async def test_in_autocommit_mode_the_call_commits_as_any_statement_does(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    mine.isolation_level = None

    sqlite.enqueue(mine, new_task("a"), new_task("b"))

    assert not mine.in_transaction
    assert await there(storage) == ["b", "a"]


async def test_a_temporary_table_of_the_caller_does_not_hide_the_queues_own(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    for table in ("tasks", "counters"):
        mine.execute(f"CREATE TEMP TABLE {table} (id)")

    sqlite.enqueue(mine, new_task("a"))
    mine.commit()

    assert await there(storage) == ["a"]


async def test_in_autocommit_mode_an_open_transaction_is_joined(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    mine.isolation_level = None
    mine.execute("BEGIN")
    mine.execute("INSERT INTO orders VALUES ('7')")

    sqlite.enqueue(mine, new_task("a"))

    assert mine.in_transaction
    mine.execute("ROLLBACK")
    assert await there(storage) == []


async def test_the_callers_savepoint_takes_the_task_back(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    with mine:
        sqlite.enqueue(mine, new_task("kept"))
        mine.execute("SAVEPOINT taskqueue")  # whatever it is called
        sqlite.enqueue(mine, new_task("taken back"))
        mine.execute("ROLLBACK TO taskqueue")

    assert await there(storage) == ["kept"]


async def test_a_call_that_fails_takes_only_its_own_work_back(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    unfit: Any = new_task("unfit", payload=object())
    with mine:
        mine.execute("INSERT INTO orders VALUES ('7')")
        with pytest.raises(sqlite3.Error):
            sqlite.enqueue(mine, new_task("a"), unfit)

    assert await there(storage) == []
    assert orders(mine) == [("7",)]


async def test_a_call_that_fails_leaves_no_transaction_that_it_began(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    unfit: Any = new_task("unfit", payload=object())

    with pytest.raises(sqlite3.Error):
        sqlite.enqueue(mine, new_task("a"), unfit)

    assert not mine.in_transaction
    assert await there(storage) == []


# --- what the caller has set on the connection ----------------------------------------------------


def _shout(data: bytes) -> str:
    return data.decode().upper()


@pytest.mark.parametrize("row_factory", [sqlite3.Row, lambda *_: None])
@pytest.mark.parametrize("text_factory", [bytes, _shout])
async def test_the_factories_of_the_connection_change_nothing_and_stay(
    storage: SQLiteStorage, mine: sqlite3.Connection, row_factory: Any, text_factory: Any
) -> None:
    mine.row_factory, mine.text_factory = row_factory, text_factory

    sqlite.enqueue(mine, keyed("a"), new_task("b"))
    answers = sqlite.enqueue(mine, new_task("b"), keyed("c"), new_task("d"))
    mine.commit()

    assert [(each.id, each.acceptance) for each in answers] == [
        ("b", Acceptance.REPEATED),
        ("a", Acceptance.REPEATED),
        ("d", Acceptance.ACCEPTED),
    ]
    assert (mine.row_factory, mine.text_factory) == (row_factory, text_factory)
    assert await there(storage) == ["d", "b", "a"]


# --- keys -----------------------------------------------------------------------------------------


async def test_keys_are_answered_as_the_service_answers_them(
    storage: SQLiteStorage, mine: sqlite3.Connection
) -> None:
    await storage.insert([keyed("a")], now=0.0)

    with mine:
        [repeated] = sqlite.enqueue(mine, keyed("b"))
    with mine, pytest.raises(KeyConflict) as caught:
        sqlite.enqueue(mine, keyed("c", fingerprint="g"), new_task("d"))
    [from_the_service] = await storage.insert([new_task("d")], now=0.0)

    assert repeated == Accepted(id="a", acceptance=Acceptance.REPEATED)
    assert caught.value.keys == {"k": "a"}
    assert from_the_service.acceptance is Acceptance.REPEATED
    assert await there(storage) == ["d", "a"]


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [0, runner.SQLITE_VERSION - 1, runner.SQLITE_VERSION + 1])
async def test_a_file_of_another_schema_is_refused(mine: sqlite3.Connection, version: int) -> None:
    mine.execute(f"PRAGMA user_version = {version}")

    with pytest.raises(SchemaMismatch) as caught:
        sqlite.enqueue(mine, new_task("a"))

    assert (caught.value.found, caught.value.wanted) == (version, runner.SQLITE_VERSION)
    assert not mine.in_transaction


def test_a_file_that_was_never_migrated_is_refused_and_stays_empty(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        with pytest.raises(SchemaMismatch, match="run `taskqueue migrate`"):
            sqlite.enqueue(connection, new_task("a"))

        assert not connection.in_transaction
    assert (tmp_path / "new.db").stat().st_size == 0


async def test_whoever_finds_the_file_locked_is_told_after_the_timeout_of_the_connection(
    storage: SQLiteStorage, path: Path, mine: sqlite3.Connection
) -> None:
    with closing(sqlite3.connect(path, timeout=0.0)) as other:
        sqlite.enqueue(mine, new_task("a"))
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            sqlite.enqueue(other, new_task("b"))
        assert not other.in_transaction
        mine.commit()
        sqlite.enqueue(other, new_task("b"))
        other.commit()

    assert await there(storage) == ["b", "a"]


# --- beside the service ---------------------------------------------------------------------------


async def test_both_may_write_at_the_same_time(storage: SQLiteStorage, path: Path) -> None:
    def enqueue_some() -> None:
        with closing(sqlite3.connect(path, timeout=30.0)) as connection:
            for n in range(50):
                with connection:
                    sqlite.enqueue(connection, new_task(f"mine {n}"))

    async def insert_some() -> None:
        for n in range(50):
            await storage.insert([new_task(f"service {n}")], now=0.0)

    await asyncio.gather(asyncio.to_thread(enqueue_some), insert_some())

    assert len(await there(storage)) == 100


DYING = """
import sqlite3, sys, time
from taskqueue.sqlite import enqueue
from taskqueue.testing.contract.steps import new_task
connection = sqlite3.connect(sys.argv[1])
enqueue(connection, new_task("committed"))
connection.commit()
enqueue(connection, new_task("open"))
print("ready", flush=True)
time.sleep(60)
"""


async def test_a_process_that_dies_before_its_commit_leaves_no_task(
    storage: SQLiteStorage, path: Path
) -> None:
    dying = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        DYING,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert dying.stdout is not None
    assert await dying.stdout.readline() == b"ready\n"

    dying.send_signal(signal.SIGKILL)
    await dying.communicate()

    assert await there(storage) == ["committed"]
    await storage.insert([new_task("next")], now=0.0)  # and no lock


# --- aiosqlite ------------------------------------------------------------------------------------


async def test_an_aiosqlite_connection_takes_tasks_the_same_way(
    storage: SQLiteStorage, path: Path
) -> None:
    async with aiosqlite.connect(path) as connection:
        await connection.execute("CREATE TABLE orders (id TEXT)")
        await connection.execute("INSERT INTO orders VALUES ('6')")
        await sqlite.enqueue_async(connection, new_task("a"))
        await connection.rollback()
        await connection.execute("INSERT INTO orders VALUES ('7')")
        answers = await sqlite.enqueue_async(connection, keyed("b"), now=5.0)
        await connection.commit()
        with pytest.raises(KeyConflict):
            await sqlite.enqueue_async(connection, keyed("c", fingerprint="g"))
        await connection.rollback()

    assert answers == accepted("b")
    assert await there(storage) == ["b"]


async def test_an_aiosqlite_connection_enqueues_in_one_turn_of_its_thread(
    storage: SQLiteStorage, path: Path
) -> None:
    async with aiosqlite.connect(path) as connection:
        enqueueing = asyncio.create_task(
            sqlite.enqueue_async(connection, new_task("a"), new_task("b", run_at=1e9))
        )
        await asyncio.sleep(0)  # it is on its way
        await connection.commit()  # of another coroutine: comes after all of it
        seen = await there(storage)
        await enqueueing

    assert seen == ["b", "a"]


async def test_an_enqueue_does_not_fail_because_of_a_trigger_that_is_gone(
    storage: SQLiteStorage, path: Path, mine: sqlite3.Connection
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE audit (x)")
        other.execute("CREATE TRIGGER auditing AFTER INSERT ON tasks BEGIN DELETE FROM audit; END")
        other.execute("DROP TABLE audit")
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            sqlite.enqueue(mine, new_task("refused"))
        mine.rollback()

        other.execute("DROP TRIGGER auditing")
        sqlite.enqueue(mine, new_task("accepted"))
        mine.commit()

    assert await there(storage) == ["accepted"]
