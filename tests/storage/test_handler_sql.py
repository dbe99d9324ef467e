"""What handlers' statements meet in a file that they share with the queue."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import Complete, NotApplied, SettleBy, Settled, Statement, Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.handler_sql import execution
from taskqueue.storage.sqlite.sql import pages, statements
from taskqueue.testing.contract.sql_steps import apply, complete, query
from taskqueue.testing.contract.steps import (
    DONE,
    FAILURE,
    add,
    claim,
    ids,
    new_task,
    settle,
    task_of,
)

INTERNAL = [
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "RELEASE handler",
    "ROLLBACK TO handler",
    statements.DELETE_TASK,
    statements.MARK_CANCELLED,
    statements.ADD_ATTEMPT.text(1),
    *(each.text(1) for each in statements.SETTLE.values()),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        db.execute("CREATE TABLE mine (x)")
        yield db


async def test_no_table_of_the_queue_is_changed(storage: SQLiteStorage) -> None:
    names = await query(storage, "SELECT name FROM sqlite_master WHERE type = 'table'")

    assert len(names) > 10
    for [name] in names:
        with pytest.raises(StatementRefused, match="belongs to the queue"):
            await query(storage, f"DELETE FROM {name}")


def plain(*sql: str) -> tuple[Statement, ...]:
    return tuple(Statement(sql=each) for each in sql)


async def test_the_queues_own_tables_may_be_read(storage: SQLiteStorage) -> None:
    await add(storage, "a")
    [delivery] = await claim(storage)

    settled = await complete(
        storage,
        delivery,
        *plain(
            "CREATE TABLE seen AS SELECT id, status FROM tasks",
            "CREATE VIEW counted AS SELECT * FROM counters WHERE tasks > 0",
        ),
    )

    assert settled is Settled.WRITTEN
    assert await query(storage, "SELECT * FROM seen") == (("a", "queued"),)
    assert await query(storage, "SELECT * FROM counted") == (("completed", 1),)


@pytest.mark.parametrize("sql", INTERNAL)
async def test_a_text_that_equals_one_of_ours_is_refused_though_it_was_compiled_before(
    storage: SQLiteStorage, sql: str
) -> None:
    await add(storage, *"abcdef")
    for delivery, settlement in zip(await claim(storage, limit=2), (FAILURE, DONE), strict=True):
        await settle(storage, delivery, settlement)  # so that it was compiled
    await storage.cancel(["c"], reason="not wanted", now=0.0)
    [delivery] = await claim(storage, limit=1)
    before = await storage.find(limit=10, now=0.0)
    parameters = (0,) * sql.count("?")

    answer = await complete(storage, delivery, Statement(sql=sql, parameters=parameters))

    assert isinstance(answer, NotApplied)
    assert "may not" in answer.error
    assert await storage.find(limit=10, now=0.0) == before
    assert await complete(storage, delivery) is Settled.WRITTEN


async def test_statements_and_ack_are_there_together_after_an_abandoned_life(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    await apply(storage, "CREATE TABLE done (id)")
    await add(storage, *"abcdefgh")
    deliveries = await claim(storage)
    settling = [
        asyncio.ensure_future(
            complete(
                storage,
                each,
                Statement(sql="INSERT INTO done VALUES (?)", parameters=(each.task.id,)),
            )
        )
        for each in deliveries
    ]
    await asyncio.sleep(0)  # all have asked
    await asyncio.sleep(0)  # a commit may be under way

    storage.abandon()
    await asyncio.gather(*settling, return_exceptions=True)
    await storage.open()

    completed = await storage.find(status=Status.COMPLETED, limit=20, now=0.0)
    rows = await query(storage, "SELECT id FROM done ORDER BY id DESC")
    assert [task_id for (task_id,) in rows] == [each for each in ids(completed) if len(each) == 1]
    await storage.close()


async def test_what_a_statement_calls_a_full_disk_is_no_outage(storage: SQLiteStorage) -> None:
    await apply(
        storage,
        "CREATE TABLE used_up (id INTEGER PRIMARY KEY AUTOINCREMENT)",
        "INSERT INTO used_up VALUES (9223372036854775807)",
    )
    await add(storage, "a", "b")
    a, b = await claim(storage)

    used_up, neighbour = await asyncio.gather(
        complete(storage, a, Statement(sql="INSERT INTO used_up VALUES (NULL)")),
        complete(storage, b),
    )

    assert isinstance(used_up, NotApplied)
    assert "full" in used_up.error
    assert neighbour is Settled.WRITTEN


async def test_what_a_settlement_writes_besides_may_still_fail_with_all_its_statements(
    storage: SQLiteStorage,
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a")
    [delivery] = await claim(storage)
    unstorable = new_task("poison", priority=2**70)
    settlement = Complete(
        result="1",
        follow_ups=(unstorable,),
        statements=plain("INSERT INTO mine VALUES (1)"),
    )

    with pytest.raises(OverflowError):
        await settle(storage, delivery, settlement)

    assert await query(storage, "SELECT * FROM mine") == ()
    assert (await task_of(storage, "a")).status is Status.QUEUED


async def test_full_text_search_is_the_users_own_too(storage: SQLiteStorage) -> None:
    await apply(
        storage,
        "CREATE VIRTUAL TABLE notes USING fts5 (text)",
        "INSERT INTO notes VALUES ('a durable queue'), ('a fragile one')",
        "INSERT INTO notes (notes) VALUES ('optimize')",
    )

    found = await query(storage, "SELECT text FROM notes WHERE notes MATCH 'durable'")
    await apply(storage, "DROP TABLE notes")

    assert found == (("a durable queue",),)


async def test_many_that_lose_the_transaction_share_a_commit_with_those_that_do_not(
    storage: SQLiteStorage,
) -> None:
    await apply(storage, "CREATE TABLE mine (x INTEGER PRIMARY KEY)", "INSERT INTO mine VALUES (0)")
    await add(storage, *(f"{n:02}" for n in range(40)))
    deliveries = await claim(storage, limit=40)
    # Each third one would roll back what the others wrote.
    sql = "INSERT OR ROLLBACK INTO mine VALUES (iif(? % 3 = 0, 0, ?))"

    answers = await asyncio.gather(
        *(
            storage.settle(
                [
                    SettleBy(
                        token=each.token,
                        settlement=Complete(
                            result="1", statements=(Statement(sql=sql, parameters=(n, n)),)
                        ),
                    )
                ],
                now=1.0,
            )
            for n, each in enumerate(deliveries)
        )
    )

    refused = [n for n, [answer] in enumerate(answers) if isinstance(answer, NotApplied)]
    written = [n for n, [answer] in enumerate(answers) if answer is Settled.WRITTEN]
    assert refused == [*range(0, 40, 3)]
    assert len(refused) + len(written) == 40
    assert await query(storage, "SELECT x FROM mine") == ((0,), *((n,) for n in written))
    assert (await storage.counts())[Status.QUEUED] == len(refused)


def test_our_own_statements_name_their_tables_in_main() -> None:
    sources = [Path(str(module.__file__)).read_text() for module in (statements, pages)]

    unqualified = [
        found.group()
        for source in sources
        for found in re.finditer(
            r"\b(FROM|INTO|UPDATE|JOIN)\s+(tasks|attempts|counters|paused|probe)\b", source
        )
    ]

    assert unqualified == []


# --- the connection, afterwards -------------------------------------------------------------------


def test_the_guard_is_gone_after_statements_were_applied_or_refused(db: sqlite3.Connection) -> None:
    limit = db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)

    execution.apply(db, plain("INSERT INTO mine VALUES (1)"))
    with pytest.raises(StatementRefused):
        execution.apply(db, plain("CREATE TABLE tasks (id)"))

    db.execute("CREATE TABLE tasks (id)")
    db.execute("PRAGMA user_version = 1")
    assert db.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) == limit
    assert not db.in_transaction


def test_many_short_statements_have_no_more_time_than_a_long_one(db: sqlite3.Connection) -> None:
    with pytest.raises(StatementRefused, match=r"took longer than 0\.0 s"):
        execution.apply(db, plain("INSERT INTO mine VALUES (1)"), limit_s=0.0)

    assert db.execute("SELECT * FROM mine").fetchall() == []


def test_what_the_file_itself_fails_with_is_not_blamed_on_the_statement(tmp_path: Path) -> None:
    path = tmp_path / "broken.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE mine (x)")
        db.execute("INSERT INTO mine VALUES (1)")
    broken = bytearray(path.read_bytes())
    broken[4096:] = b"\xff" * (len(broken) - 4096)  # the page of the table
    path.write_bytes(broken)

    with (
        closing(sqlite3.connect(path, isolation_level=None)) as db,
        pytest.raises(sqlite3.DatabaseError, match="malformed"),
    ):
        execution.apply(db, plain("INSERT INTO mine VALUES (2)"))
