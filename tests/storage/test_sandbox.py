"""Statements of handlers run where they can be killed, and cost nobody else anything."""

import asyncio
import os
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from taskqueue.children.launch import Child
from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import AttemptOutcome, NotApplied, Settled, Statement, Status
from taskqueue.storage.sqlite.connections import spawn
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.handler_sql import sandbox
from taskqueue.testing.contract.sql_dialect import NO_LIMIT_S
from taskqueue.testing.contract.sql_steps import apply, complete, query
from taskqueue.testing.contract.steps import add, claim
from tests.actors import fatal_sql
from tests.sandbox.hostile import ENDLESS_STEPS, TOO_LARGE

pytestmark = pytest.mark.long


class Processes:
    """Starts processes and remembers them; the first one writes for the queue."""

    def __init__(self) -> None:
        self.started: list[Child] = []

    def __call__(self) -> Child:
        self.started.append(spawn.spawn())
        return self.started[-1]

    @property
    def sandboxes(self) -> list[int]:
        return [each.process.pid for each in self.started[1:] if each.process.poll() is None]


@pytest.fixture
def processes() -> Processes:
    return Processes()


@pytest.fixture
async def storage(tmp_path: Path, processes: Processes) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(tmp_path / "tasks.db", writes_in="process", spawn=processes)
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


def plain(sql: str) -> Statement:
    return Statement(sql=sql)


@pytest.mark.parametrize("name", ENDLESS_STEPS)
async def test_an_endless_step_is_a_failure_of_its_own_task_alone(
    storage: SQLiteStorage, name: str
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a", "b", "c")
    a, b, c = await claim(storage)
    harmless = plain("INSERT INTO mine VALUES (1)")

    first, endless, last, _ = await asyncio.gather(
        complete(storage, a, harmless),
        complete(storage, b, harmless, plain(ENDLESS_STEPS[name])),
        complete(storage, c, harmless),
        add(storage, "d"),
    )

    assert (first, last) == (Settled.WRITTEN, Settled.WRITTEN)
    assert isinstance(endless, NotApplied)
    assert endless.outcome is AttemptOutcome.FAILED
    assert endless.error.startswith("took longer than 1.0 s")
    assert await query(storage, "SELECT x FROM mine") == ((1,), (1,))


@pytest.mark.timeout(120)  # on a busy machine the process gets little of the time that it uses up
async def test_what_full_text_search_puts_off_until_the_end_is_bounded_like_its_statement(
    storage: SQLiteStorage,
) -> None:
    await apply(storage, "CREATE VIRTUAL TABLE words USING fts5(body)", "CREATE TABLE mine (x)")
    await add(storage, "a", "b")
    a, b = await claim(storage)
    many = " ".join(f"{number * 2_654_435_761 % 2**32:08x}" for number in range(900_000))  # 8 MB
    insert = Statement(sql="INSERT INTO words VALUES (?)", parameters=(many,))

    indexing = await complete(storage, a, insert)

    # Which bound it meets first depends on the machine.
    assert isinstance(indexing, NotApplied)
    assert indexing.error.startswith(("took longer than 1.0 s", "needs more memory"))
    assert await complete(storage, b, plain("INSERT INTO mine VALUES (1)")) is Settled.WRITTEN
    assert await query(storage, "SELECT count(*) FROM words") == ((0,),)


async def test_a_rehearsal_is_not_refused_because_of_a_trigger_that_is_gone(
    storage: SQLiteStorage, tmp_path: Path
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    writing = plain("INSERT INTO mine VALUES (1) RETURNING x")
    with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as theirs:
        theirs.execute("CREATE TABLE audit (x)")
        theirs.execute("CREATE TRIGGER auditing AFTER INSERT ON mine BEGIN DELETE FROM audit; END")
        theirs.execute("DROP TABLE audit")
        with pytest.raises(StatementRefused, match="no such table"):
            await storage.dry_run((), writing, limit_s=NO_LIMIT_S)

        theirs.execute("DROP TRIGGER auditing")
        answered = await storage.dry_run((), writing, limit_s=NO_LIMIT_S)

    assert answered.rows == ((1,),)


async def test_commits_go_on_while_a_rehearsal_reads(storage: SQLiteStorage) -> None:
    await query(storage, "SELECT 1")  # so that the process has started
    reading = asyncio.ensure_future(storage.dry_run((), plain(ENDLESS_STEPS["instr"]), limit_s=3.0))

    await add(storage, *"abcdefgh")
    held = await claim(storage)
    answers = [await complete(storage, each, plain("SELECT 1")) for each in held]

    assert not reading.done()
    assert answers == [Settled.WRITTEN] * 8
    with pytest.raises(StatementRefused, match=r"took longer than 3\.0 s"):
        await reading


async def test_a_rehearsal_of_an_endless_step_is_refused_and_the_next_one_is_answered(
    storage: SQLiteStorage,
) -> None:
    writing = plain("CREATE TABLE mine (x)")

    read, written = await asyncio.gather(
        storage.dry_run((), plain(ENDLESS_STEPS["like"]), limit_s=0.1),
        storage.dry_run((writing,), plain(ENDLESS_STEPS["like"]), limit_s=0.1),
        return_exceptions=True,
    )

    assert isinstance(read, StatementRefused)
    assert isinstance(written, StatementRefused)
    assert await query(storage, "SELECT 1") == ((1,),)
    answer = await storage.dry_run(
        (writing,), plain("INSERT INTO mine VALUES (2) RETURNING x"), limit_s=NO_LIMIT_S
    )
    assert answer.rows == ((2,),)


async def test_commits_and_statements_of_handlers_take_turns(storage: SQLiteStorage) -> None:
    await apply(storage, "CREATE TABLE mine (x INTEGER PRIMARY KEY)")
    tasks = [f"{n:03}" for n in range(50)]
    await add(storage, *tasks)
    deliveries = await claim(storage, limit=50)

    answers, _ = await asyncio.gather(
        asyncio.gather(
            *(
                complete(storage, each, Statement("INSERT INTO mine VALUES (?)", (n,)))
                for n, each in enumerate(deliveries)
            )
        ),
        asyncio.gather(*(add(storage, f"more {n}") for n in range(50))),
    )

    assert answers == [Settled.WRITTEN] * 50
    assert await query(storage, "SELECT count(*) FROM mine") == ((50,),)
    counts = await storage.counts()
    assert (counts[Status.COMPLETED], counts[Status.QUEUED]) == (51, 50)


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_what_needs_too_much_is_refused_before_it_takes_long(
    storage: SQLiteStorage, processes: Processes, name: str
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a", "b")
    a, b = await claim(storage)
    before = processes.sandboxes

    refused = await complete(storage, a, plain(TOO_LARGE[name]))

    assert isinstance(refused, NotApplied)
    assert await complete(storage, b, plain("INSERT INTO mine VALUES (1)")) is Settled.WRITTEN
    assert await query(storage, "SELECT x FROM mine") == ((1,),)
    assert set(before) <= set(processes.sandboxes)  # it was refused, not killed


async def test_a_process_that_was_killed_from_outside_is_replaced_and_no_task_is_blamed(
    storage: SQLiteStorage, processes: Processes
) -> None:
    await apply(storage, "CREATE TABLE mine (x)")
    await query(storage, "SELECT 1")
    await add(storage, "a")
    [delivery] = await claim(storage)

    for pid in processes.sandboxes:
        os.kill(pid, signal.SIGKILL)
    answer = await complete(storage, delivery, plain("INSERT INTO mine VALUES (1)"))

    assert answer is Settled.WRITTEN
    assert await query(storage, "SELECT x FROM mine") == ((1,),)


async def test_a_process_that_is_stopped_is_replaced_and_no_task_is_blamed(
    storage: SQLiteStorage, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_STUCK_S", 0.1)
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a")
    [delivery] = await claim(storage)

    [stopped] = processes.sandboxes
    os.kill(stopped, signal.SIGSTOP)
    answer, _ = await asyncio.gather(
        complete(storage, delivery, plain("INSERT INTO mine VALUES (1)")), add(storage, "b")
    )

    assert answer is Settled.WRITTEN
    assert stopped not in processes.sandboxes
    assert await query(storage, "SELECT x FROM mine") == ((1,),)


@pytest.mark.timeout(120)  # a process after the other has to start and to die
async def test_statements_that_kill_their_process_have_crashed_their_own_attempt(
    storage: SQLiteStorage, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawn, "COMMAND", fatal_sql.COMMAND)
    await add(storage, "a", "b", "c")
    a, b, c = await claim(storage)

    first, fatal, last, _ = await asyncio.gather(
        complete(storage, a, plain("SELECT 1")),
        complete(storage, b, plain("SELECT 'fatal'")),
        complete(storage, c, plain("SELECT 1")),
        add(storage, "d"),
    )

    assert (first, last) == (Settled.WRITTEN, Settled.WRITTEN)
    assert isinstance(fatal, NotApplied)
    assert fatal.outcome is AttemptOutcome.CRASHED
    assert "by signal 9" in fatal.error
    assert processes.started[0].process.poll() is None


@pytest.mark.parametrize("end", ["close", "abandon"])
async def test_a_storage_ends_while_a_step_is_endless_and_another_one_opens(
    tmp_path: Path, end: str
) -> None:
    storage = SQLiteStorage(tmp_path / "tasks.db", writes_in="process")
    await storage.migrate()
    await storage.open()
    await apply(storage, "CREATE TABLE mine (x)")
    await add(storage, "a")
    [delivery] = await claim(storage)
    settling = asyncio.ensure_future(complete(storage, delivery, plain(ENDLESS_STEPS["glob"])))
    await asyncio.sleep(0)

    if end == "close":
        await storage.close()
    else:
        storage.abandon()
    other = SQLiteStorage(tmp_path / "tasks.db", busy_timeout_s=30.0)
    await other.open()

    await add(other, "b")
    await other.close()
    await asyncio.gather(settling, return_exceptions=True)


async def test_no_process_is_started_before_a_handler_has_statements(
    storage: SQLiteStorage, processes: Processes
) -> None:
    await add(storage, "a")
    [delivery] = await claim(storage)
    await complete(storage, delivery)
    without = len(processes.started)
    await query(storage, "SELECT 1")
    reading = len(processes.started)
    await apply(storage, "CREATE TABLE mine (x)")

    assert (without, reading, len(processes.started)) == (1, 2, 3)


LARGE_TABLE_BYTES = 600_000_000
STALL_S = 1.5
CALM_S = 1.0


def _fill(path: Path, row_bytes: int) -> None:
    """Make a large table, as an operator's import does while no service runs."""
    rows = LARGE_TABLE_BYTES // row_bytes
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF").fetchall()
        db.execute("CREATE TABLE large (id INTEGER PRIMARY KEY, body)")
        db.execute(
            f"WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT {rows})"
            f" INSERT INTO large (body) SELECT zeroblob({row_bytes}) FROM n"
        )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


async def _longest_wait_s(storage: SQLiteStorage, other: "asyncio.Future[object]") -> float:
    """Commit one task after the other until `other` is done; return the longest wait for one."""
    longest_s, number = 0.0, 0
    while not other.done():
        number += 1
        began = time.monotonic()
        await add(storage, f"beside {number}")
        longest_s = max(longest_s, time.monotonic() - began)
    return longest_s


@pytest.mark.timeout(240)
@pytest.mark.parametrize("row_bytes", [1_000, 4_000_000], ids=["in many rows", "in large rows"])
@pytest.mark.parametrize("sql", ["DROP TABLE large", "DELETE FROM large"])
async def test_a_large_table_that_is_emptied_in_one_step_stalls_no_commit(
    tmp_path: Path, sql: str, row_bytes: int
) -> None:
    async with closing_storage(tmp_path / "tasks.db") as storage:
        await apply(storage, "CREATE TABLE mine (x)")
    _fill(tmp_path / "tasks.db", row_bytes)
    async with closing_storage(tmp_path / "tasks.db") as storage:
        await add(storage, "a", "b")
        a, b = await claim(storage)
        idle_s = await _longest_wait_s(storage, asyncio.ensure_future(asyncio.sleep(CALM_S)))

        emptying = asyncio.ensure_future(complete(storage, a, plain(sql)))
        stall_s = await _longest_wait_s(storage, emptying)

        # It is done in time or it has failed: which of the two is a question of size and machine.
        answer = await emptying
        assert answer is Settled.WRITTEN or isinstance(answer, NotApplied)
        assert stall_s < STALL_S + 4 * idle_s
        assert await complete(storage, b, plain("INSERT INTO mine VALUES (1)")) is Settled.WRITTEN
        rows = LARGE_TABLE_BYTES // row_bytes
        left = await query(storage, "SELECT count(*) FROM sqlite_master WHERE name = 'large'")
        if isinstance(answer, NotApplied):
            assert answer.outcome is AttemptOutcome.FAILED
            assert left == ((1,),)
            assert await query(storage, "SELECT max(id) FROM large") == ((rows,),)


@asynccontextmanager
async def closing_storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(path, writes_in="process")
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()
