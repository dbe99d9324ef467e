# ruff: noqa: ASYNC240  a test may wait for its own disk
"""What only SQLite has: a file, a lock, threads, a disk that fills up."""

import asyncio
import logging
import os
import resource
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

import taskqueue
from taskqueue.errors import SchemaMismatch, StorageCorrupt, StorageUnavailable
from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import AttemptOutcome, SettleBy, Settled, Status
from taskqueue.storage.sqlite import lifecycle
from taskqueue.storage.sqlite.commit import log_space
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk import faults
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations import administration, claiming, inserting, settling
from taskqueue.storage.sqlite.schema import runner
from taskqueue.testing.contract.administration import change
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    FAILURE,
    LATER,
    ME,
    add,
    attempts_of,
    claim,
    ids,
    new_task,
    settle,
)

ROOT = Path(taskqueue.__file__).parent.parent


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
async def made(path: Path) -> Path:
    """A migrated file that nobody has open."""
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.close()
    return path


@contextmanager
def no_thread_left() -> Iterator[None]:
    """Check that every thread begun in the block comes to its end."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)
        assert not thread.is_alive()


def shell(path: Path, statement: str) -> list[tuple[object, ...]]:
    """Run a statement as somebody with the sqlite3 shell would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return db.execute(statement).fetchall()


async def child(script: str, path: Path) -> asyncio.subprocess.Process:
    """Start a Python process that runs `script` with the path as its argument."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        script,
        str(path),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


# --- the file -------------------------------------------------------------------------------------


async def test_opening_never_creates_a_file(path: Path) -> None:
    with pytest.raises(StorageUnavailable, match="No such file"):
        await SQLiteStorage(path).open()

    assert list(path.parent.iterdir()) == []


async def test_migrating_creates_the_folder_and_the_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "deep" / "tasks.db"
    storage = SQLiteStorage(path)

    taken = await storage.migrate()
    await storage.close()

    assert [(step.version, step.name) for step in taken] == [
        (1, "tasks"),
        (2, "keys_progress_cancel_pause"),
        (3, "listing"),
        (4, "access_tokens"),
        (5, "edits"),
        (6, "audited_changes"),
        (7, "attempt_logs"),
        (8, "traceparent"),
        (9, "gates"),
        (10, "schedules"),
        (11, "groups"),
        (12, "unique_expiry"),
        (13, "sizes"),
        (14, "slots_and_flows"),
        (15, "origins"),
        (16, "dead_groups"),
        (17, "open_slots"),
        (18, "counted_slots"),
    ]
    assert path.is_file()


async def test_the_size_of_a_pool_outlives_an_upgrade(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db, runner.SQLITE_STEPS[:13])
        db.execute("INSERT INTO consumer_sizes (pool, consumers) VALUES ('consumer', 3)")
    storage = SQLiteStorage(path)

    await storage.migrate()
    await storage.open()
    await storage.set_size("consumer", SizeChange(slots=8))

    assert await storage.sizes() == {"consumer": SetSize(count=3, slots=8)}
    await storage.close()


async def test_migrating_twice_takes_no_step(made: Path) -> None:
    storage = SQLiteStorage(made)

    assert await storage.migrate() == ()

    await storage.close()


def test_a_step_that_fails_takes_the_steps_before_it_back(path: Path) -> None:
    broken = runner.Step(version=2, name="broken", sql="CREATE TABLE extra (x);\nNONSENSE;\n")
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        with pytest.raises(sqlite3.OperationalError, match="NONSENSE"):
            runner.migrate(db, (*runner.SQLITE_STEPS, broken))

        assert runner.version_of(db) == 0
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
        assert len(runner.migrate(db)) == len(runner.SQLITE_STEPS)


async def test_a_file_made_before_there_was_an_audit_trail_is_brought_up_to_date(
    path: Path,
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db, runner.SQLITE_STEPS[:5])
        db.execute("INSERT INTO access_tokens VALUES ('ci', 'admin', x'00', 1.0, NULL, NULL)")
    storage = SQLiteStorage(path)

    taken = await storage.migrate()
    await storage.open()
    await storage.record_changes([change("a")])

    assert taken[0].name == "audited_changes"
    assert await storage.changes(limit=9) == (change("a"),)
    assert [token.name for token in await storage.tokens()] == ["ci"]
    await storage.close()


async def test_dead_tasks_of_an_earlier_release_have_groups(path: Path) -> None:
    steps = tuple(step for step in runner.SQLITE_STEPS if step.version < 16)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db, steps)
        for n, status in enumerate(("dead", "dead", "queued")):
            db.execute(
                "INSERT INTO tasks (id, payload, status, created_at, processed_at, action, queue,"
                " priority, run_at, max_attempts, reason) VALUES (?, '{}', ?, 0, ?, 'a', 'q', 0, 0,"
                " 1, ?)",
                (str(n), status, None if status == "queued" else 1.0, f"no order {n}"),
            )
    storage = SQLiteStorage(path)

    await storage.migrate()
    await storage.open()

    [group] = await storage.dead_groups(limit=9)
    assert (group.error, group.tasks, group.example) == ("no order …", 2, "no order 1")
    await storage.close()


async def test_a_path_may_hold_what_means_something_in_a_uri(tmp_path: Path) -> None:
    path = tmp_path / "tasks #1?mode=ro&x=%20 ü.db"
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()

    await add(storage, "a")
    await storage.close()

    assert path.is_file()
    assert shell(path, "SELECT id FROM tasks") == [("a",)]


async def test_what_was_written_survives_in_the_file(path: Path) -> None:
    first = SQLiteStorage(path)
    await first.migrate()
    await first.open()
    await add(first, "a", "b", "c")
    a, b = await claim(first, limit=2)
    await first.start([a.token, b.token], now=0.5)
    await settle(first, a, FAILURE)
    before = [await first.get(task_id, now=1.0) for task_id in "abc"]
    counts = await first.counts()
    await first.close()

    second = SQLiteStorage(path)
    await second.open()

    assert [await second.get(task_id, now=1.0) for task_id in "abc"] == before
    assert await second.counts() == counts
    assert ids(await second.held(ME)) == ["b"]
    assert await settle(second, b, DONE) is Settled.WRITTEN
    await second.close()


async def test_a_reader_of_the_file_finds_the_columns_of_the_tutorial(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a", now=1.0)
    [delivery] = await claim(storage, now=1.0)
    await settle(storage, delivery, DONE, now=2.0)

    columns = "id, payload, status, result, created_at, processed_at"

    assert shell(path, f"SELECT {columns} FROM tasks") == [
        ("a", delivery.task.payload, "completed", DONE.result, 1.0, 2.0)
    ]


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_the_log_is_written_ahead_and_synced_as_asked(
    path: Path, synchronous: str, storage: SQLiteStorage
) -> None:
    await storage.close()
    storage = SQLiteStorage(path, synchronous=synchronous)  # type: ignore[arg-type]
    await storage.open()

    def settings(tx: Transaction) -> list[object]:
        pragmas = ("journal_mode", "synchronous", "auto_vacuum")
        return [tx.db.execute(f"PRAGMA {pragma}").fetchone()[0] for pragma in pragmas]

    found = await storage._write(settings)
    await storage.close()

    assert found == ["wal", {"NORMAL": 1, "FULL": 2}[synchronous], 2]


async def test_a_success_writes_no_line_of_history(storage: SQLiteStorage, path: Path) -> None:
    await add(storage, "a")
    [delivery] = await claim(storage)
    await settle(storage, delivery, DONE)

    assert shell(path, "SELECT count(*) FROM attempts") == [(0,)]
    assert [line.outcome for line in await attempts_of(storage, "a")] == [AttemptOutcome.COMPLETED]


async def test_expiry_shrinks_the_file_bit_by_bit(storage: SQLiteStorage, path: Path) -> None:
    await add(storage, *(f"{n:04}" for n in range(1000)), payload="x" * 4000)
    deliveries = await claim(storage, limit=1000)
    await storage.settle(
        [
            SettleBy(token=each.token, settlement=BURIAL if each.task.id < "0003" else DONE)
            for each in deliveries
        ],
        now=1.0,
    )
    await storage.close()
    await storage.open()
    full = path.stat().st_size

    expired = await storage.expire(Status.COMPLETED, ended_before=2.0, limit=500)
    await storage.close()  # which brings the log into the file
    after_one = path.stat().st_size
    await storage.open()
    for _ in range(10):
        await storage.expire(Status.COMPLETED, ended_before=2.0, limit=500)
    await storage.close()

    assert expired == 500
    assert full * 0.5 < after_one < full * 0.95
    assert path.stat().st_size < full * 0.2
    assert shell(path, "PRAGMA integrity_check") == [("ok",)]
    await storage.open()
    assert ids(await storage.find(limit=10, now=0.0)) == ["0002", "0001", "0000"]


# --- what is not a database, or not ours ----------------------------------------------------------


async def test_garbage_is_corrupt_and_left_untouched(path: Path) -> None:
    garbage = b"this is not the database you are looking for" * 100
    path.write_bytes(garbage)
    storage = SQLiteStorage(path)

    with no_thread_left():
        with pytest.raises(StorageCorrupt, match="SQLITE_NOTADB"):
            await storage.open()
        with pytest.raises(StorageCorrupt, match="SQLITE_NOTADB"):
            await storage.migrate()

    assert path.read_bytes() == garbage


async def test_a_damaged_page_is_corrupt(made: Path) -> None:
    storage = SQLiteStorage(made)
    await storage.open()
    await add(storage, *(f"{n:04}" for n in range(500)))
    await storage.close()
    with closing(sqlite3.connect(made)) as db:
        roots = db.execute("SELECT rootpage FROM sqlite_master WHERE rootpage > 0").fetchall()
    with made.open("r+b") as file:  # the first page of each table and index, but not the schema's
        for [page] in roots:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)

    await storage.open()
    with pytest.raises(StorageCorrupt):
        await storage.find(limit=10, now=0.0)
    with pytest.raises(StorageCorrupt):
        await add(storage, "new")
    await storage.close()


async def test_a_newer_schema_is_refused_and_left_untouched(made: Path) -> None:
    shell(made, f"PRAGMA user_version = {runner.SQLITE_VERSION + 1}")
    before = made.read_bytes()
    storage = SQLiteStorage(made)

    with no_thread_left():
        with pytest.raises(SchemaMismatch, match="upgrade taskqueue") as on_open:
            await storage.open()
        with pytest.raises(SchemaMismatch, match="upgrade taskqueue"):
            await storage.migrate()

    assert (on_open.value.found, on_open.value.wanted) == (
        runner.SQLITE_VERSION + 1,
        runner.SQLITE_VERSION,
    )
    assert made.read_bytes() == before


async def test_an_empty_file_needs_the_migration_first(path: Path) -> None:
    path.touch()
    storage = SQLiteStorage(path)

    with pytest.raises(SchemaMismatch, match="run `taskqueue migrate`"):
        await storage.open()
    assert path.stat().st_size == 0

    await storage.migrate()
    await storage.open()
    await storage.close()


async def test_a_folder_in_the_place_of_the_file_is_unavailable(path: Path) -> None:
    path.mkdir()
    storage = SQLiteStorage(path)

    with no_thread_left():
        with pytest.raises(StorageUnavailable, match="is a folder, not a file"):
            await storage.open()
        with pytest.raises(StorageUnavailable, match="is a folder, not a file"):
            await storage.migrate()


async def test_a_file_in_the_place_of_the_folder_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "data").touch()

    with pytest.raises(StorageUnavailable, match="File exists"):
        await SQLiteStorage(tmp_path / "data" / "tasks.db").migrate()


async def test_a_lock_file_that_cannot_be_opened_is_unavailable(made: Path) -> None:
    lock = made.with_name(made.name + ".lock")
    lock.unlink()
    lock.mkdir()

    with pytest.raises(StorageUnavailable, match="is a folder, not a file"):
        await SQLiteStorage(made).open()


# --- a file that goes away ------------------------------------------------------------------------


async def test_a_removed_file_makes_every_verb_unavailable_and_does_not_come_back_empty(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    path.unlink()

    with pytest.raises(StorageUnavailable, match="database file is gone"):
        await add(storage, "b")
    with pytest.raises(StorageUnavailable, match="database file is gone"):
        await storage.find(limit=1, now=0.0)
    await storage.close()
    with pytest.raises(StorageUnavailable, match="No such file"):
        await storage.open()
    assert not path.exists()


async def test_what_is_committed_into_a_file_that_is_gone_is_not_acknowledged(
    storage: SQLiteStorage, path: Path
) -> None:
    def insert_and_lose_the_file(tx: Transaction) -> None:
        inserting.insert(tx, [new_task("a")], now=0.0)
        path.unlink()

    with pytest.raises(StorageUnavailable, match="database file is gone"):
        await storage._write(insert_and_lose_the_file)


async def test_a_replaced_file_makes_every_verb_unavailable_until_it_is_opened_again(
    storage: SQLiteStorage, path: Path, tmp_path: Path
) -> None:
    other = SQLiteStorage(tmp_path / "backup.db")
    await other.migrate()
    await other.open()
    await add(other, "from the backup")
    await other.close()
    await storage.close()
    await storage.open()
    (tmp_path / "backup.db").replace(path)
    log = path.with_name(path.name + "-wal")
    logged = log.read_bytes()

    with pytest.raises(StorageUnavailable, match="database file is gone or was replaced"):
        await add(storage, "b")
    with pytest.raises(StorageUnavailable, match="database file is gone or was replaced"):
        await storage.counts()
    assert log.read_bytes() == logged  # the log of one file must not get into another
    await storage.close()
    await storage.open()

    assert ids(await storage.find(limit=10, now=0.0)) == ["from the backup"]


async def test_a_file_that_was_moved_takes_every_commit_along(
    storage: SQLiteStorage, path: Path, tmp_path: Path
) -> None:
    await add(storage, "a")
    path.rename(tmp_path / "elsewhere.db")
    path.write_bytes(b"garbage " * 1000)

    await storage.close()
    with pytest.raises(StorageCorrupt):
        await storage.open()
    (tmp_path / "elsewhere.db").replace(path)
    await storage.open()

    assert ids(await storage.find(limit=10, now=0.0)) == ["a"]


async def test_garbage_gets_nothing_of_the_log_that_a_dead_process_left_beside_it(
    path: Path, tmp_path: Path
) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    await add(storage, "a")
    left = {suffix: Path(f"{path}{suffix}").read_bytes() for suffix in ("", "-wal")}
    await storage.close()
    Path(f"{path}-wal").write_bytes(left["-wal"])
    path.write_bytes(b"garbage " * 1000)

    with pytest.raises(StorageCorrupt):
        await storage.open()
    path.write_bytes(left[""])
    await storage.open()
    found = ids(await storage.find(limit=10, now=0.0))
    await storage.close()

    assert found == ["a"]


async def test_what_was_found_corrupt_is_opened_again_only_when_all_of_it_is_sound(
    made: Path,
) -> None:
    storage = SQLiteStorage(made)
    await storage.open()
    await add(storage, *(f"{n:04}" for n in range(500)))
    await storage.close()
    backup = made.read_bytes()
    with made.open("r+b") as file:  # a leaf of the table: the first and the last page are sound
        file.seek(backup.index(new_task("").payload.encode(), len(backup) // 2) // 4096 * 4096)
        file.write(b"\xff" * 4096)
    damaged = made.read_bytes()
    await storage.open()
    with pytest.raises(StorageCorrupt):
        await storage.find(limit=500, now=0.0)

    await storage.close()
    with pytest.raises(StorageCorrupt, match="restore it from a backup"):
        await storage.open()
    untouched = made.read_bytes() == damaged
    made.write_bytes(backup)
    await storage.open()
    restored = await storage.find(limit=500, now=0.0)
    await storage.close()

    assert untouched
    assert len(restored) == 500


async def test_a_file_replaced_by_garbage_is_corrupt_when_it_is_opened(
    storage: SQLiteStorage, path: Path
) -> None:
    await storage.close()
    path.write_bytes(b"garbage " * 1000)

    with pytest.raises(StorageCorrupt):
        await storage.open()


# --- one process ----------------------------------------------------------------------------------

HOLDER = """
import asyncio, sys
from taskqueue.storage.sqlite.engine import SQLiteStorage

async def main():
    storage = SQLiteStorage(sys.argv[1])
    await storage.migrate()
    await storage.open()
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_second_process_is_refused_until_the_first_is_dead(path: Path) -> None:
    holder = await child(HOLDER, path)
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"open\n"
    storage = SQLiteStorage(path, busy_timeout_s=0.01)

    try:
        with no_thread_left():
            with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
                await storage.open()
            with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
                await storage.migrate()
    finally:
        holder.kill()
        await holder.communicate()

    await storage.open()
    await storage.close()


async def test_the_lock_is_held_from_migrate_to_close(made: Path) -> None:
    storage, other = SQLiteStorage(made), SQLiteStorage(made, busy_timeout_s=0.0)
    await storage.migrate()

    with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
        await other.open()
    await storage.close()

    await other.open()
    await other.close()


async def test_whoever_fails_to_open_leaves_the_file_to_others(path: Path) -> None:
    path.touch()
    storage, other = SQLiteStorage(path), SQLiteStorage(path, busy_timeout_s=0.0)
    with pytest.raises(SchemaMismatch):
        await storage.open()

    await other.migrate()
    await other.close()


async def test_a_failed_migration_beside_an_open_storage_leaves_it_open(
    storage: SQLiteStorage, path: Path
) -> None:
    shell(path, f"PRAGMA user_version = {runner.SQLITE_VERSION + 1}")

    with pytest.raises(SchemaMismatch):
        await storage.migrate()

    await add(storage, "a")
    with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
        await SQLiteStorage(path, busy_timeout_s=0.0).migrate()


# --- faults and recovery --------------------------------------------------------------------------


async def test_a_full_disk_is_unavailable_and_the_same_storage_recovers(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "before")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    acknowledged = ["before"]

    resource.setrlimit(resource.RLIMIT_FSIZE, (256 * 1024, hard))
    try:
        with pytest.raises(StorageUnavailable, match=r"SQLITE_(IOERR|FULL)"):  # noqa: PT012
            for n in range(1000):
                await add(storage, f"{n:04}", payload="x" * 4000)
                acknowledged.append(f"{n:04}")
        read_meanwhile = await storage.find(limit=1, before="zzz", now=0.0)
        with pytest.raises(StorageUnavailable):
            await add(storage, "still full", payload="x" * 4000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await add(storage, "recovered")

    assert ids(read_meanwhile) == ["before"]
    assert 1 < len(acknowledged) < 1000
    for task_id in (*acknowledged, "recovered"):
        assert await storage.get(task_id, now=0.0) is not None
    assert (await storage.counts())[Status.QUEUED] == len(await storage.find(limit=10_000, now=0.0))
    await storage.close()
    assert shell(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.fixture
def no_room_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each commit make the log longer."""
    monkeypatch.setattr(log_space, "add_room", lambda _, log, __: log.stat().st_size)


@pytest.mark.usefixtures("no_room_in_the_log")
async def test_a_disk_with_room_for_a_few_bytes_only_fails_the_probe(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "before")
    log = path.with_name(path.name + "-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 48 * 1024, hard))
    try:
        await add(storage, "there is room for this")
        with pytest.raises(StorageUnavailable, match=r"SQLITE_(IOERR|FULL)"):
            await storage.probe()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await storage.probe()

    assert ids(await storage.find(limit=10, now=0.0)) == ["there is room for this", "before"]
    assert shell(path, "SELECT count(*) FROM probe") == [(0,)]


@pytest.mark.usefixtures("no_room_in_the_log")
async def test_a_probe_reaches_the_disk_and_leaves_room_for_the_next(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    log = path.with_name(path.name + "-wal")
    logged = log.stat().st_size
    await storage.probe()
    written = log.stat().st_size - logged
    await storage.close()  # which brings the log into the file

    sizes = []
    for probes in (1, 5, 5):
        await storage.open()
        for _ in range(probes):
            await storage.probe()
        await storage.close()
        sizes.append(path.stat().st_size)

    assert written > 64 * 1024
    assert len(set(sizes)) == 1
    assert shell(path, "SELECT count(*) FROM probe") == [(0,)]


async def test_a_probe_finds_a_file_that_is_locked_or_gone(
    storage: SQLiteStorage, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable, match="SQLITE_BUSY"):
            await storage.probe()
    await storage.probe()
    path.unlink()
    with pytest.raises(StorageUnavailable, match="gone or was replaced"):
        await storage.probe()


async def test_an_insert_does_not_fail_because_of_a_trigger_that_is_gone(
    storage: SQLiteStorage, path: Path
) -> None:
    shell(path, "CREATE TABLE audit (id)")
    shell(path, "CREATE TRIGGER auditing AFTER INSERT ON tasks BEGIN DELETE FROM audit; END")
    shell(path, "DROP TABLE audit")
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await add(storage, "refused")

    shell(path, "DROP TRIGGER auditing")
    await add(storage, "accepted")

    assert (await storage.counts())[Status.QUEUED] == 1


def test_a_full_database_and_a_read_only_one_are_unavailable(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE t (x)")
        db.execute("PRAGMA max_page_count = 2")
        with pytest.raises(StorageUnavailable, match="SQLITE_FULL"), faults.translated(path):
            db.execute("INSERT INTO t VALUES (zeroblob(100000))")
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db,
        pytest.raises(StorageUnavailable, match="SQLITE_READONLY"),
        faults.translated(path),
    ):
        db.execute("INSERT INTO t VALUES (1)")


def test_a_mistake_in_a_statement_is_no_fault_of_the_storage(path: Path) -> None:
    with (
        closing(sqlite3.connect(path)) as db,
        pytest.raises(sqlite3.OperationalError, match="no such table"),
        faults.translated(path),
    ):
        db.execute("SELECT * FROM nowhere")


LOADED = """
import asyncio, sys
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add

async def load(storage, loader):
    for n in range(1_000_000):
        task_id = f"{loader}-{n}"
        await add(storage, task_id)
        print(task_id, flush=True)

async def main():
    storage = SQLiteStorage(sys.argv[1])
    await storage.migrate()
    await storage.open()
    await asyncio.gather(*(load(storage, loader) for loader in range(20)))

asyncio.run(main())
"""


async def test_kill_9_under_load_loses_no_acknowledged_insert(path: Path) -> None:
    loaded = await child(LOADED, path)
    assert loaded.stdout is not None
    lines = [await loaded.stdout.readline() for _ in range(500)]

    loaded.send_signal(signal.SIGKILL)
    rest, _ = await loaded.communicate()
    storage = SQLiteStorage(path)
    await storage.open()
    # The last line may be cut; what is whole was acknowledged.
    acknowledged = [line.decode().strip() for line in lines]
    acknowledged += rest.decode().split("\n")[:-1]
    stored = set(ids(await storage.find(limit=1_000_000, now=0.0)))
    counts = await storage.counts()
    await storage.close()

    assert len(acknowledged) >= 500
    assert set(acknowledged) <= stored
    assert counts[Status.QUEUED] == len(stored)
    assert shell(path, "PRAGMA integrity_check") == [("ok",)]


# --- ends -----------------------------------------------------------------------------------------


async def test_close_leaves_no_thread_and_no_log(path: Path) -> None:
    with no_thread_left():
        storage = SQLiteStorage(path)
        await storage.migrate()
        await storage.open()
        await add(storage, "a")
        await storage.close()

    assert {file.name for file in path.parent.iterdir()} == {"tasks.db", "tasks.db.lock"}


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("verb", ["open", "migrate", "close"])
async def test_a_cancelled_open_migrate_or_close_leaks_nothing(
    made: Path, verb: str, turns: int
) -> None:
    with no_thread_left():
        storage = SQLiteStorage(made)
        if verb == "close":
            await storage.open()
        running = asyncio.ensure_future(getattr(storage, verb)())
        for _ in range(turns):
            await asyncio.sleep(0)

        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await storage.close()

    other = SQLiteStorage(made)
    await other.open()
    await other.close()


@pytest.mark.parametrize(
    ("verb", "set_up"), [("migrate", "set_up_migration"), ("open", "set_up_checkpointer")]
)
async def test_a_cancelled_open_or_migrate_keeps_the_lock_until_its_thread_has_closed_the_file(
    made: Path, monkeypatch: pytest.MonkeyPatch, verb: str, set_up: str
) -> None:
    loop, is_opening, may_go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def wait(*_: object, **__: object) -> None:
        loop.call_soon_threadsafe(is_opening.set)
        may_go_on.wait()

    with monkeypatch.context() as patched:
        patched.setattr(lifecycle, set_up, wait)
        running = asyncio.ensure_future(getattr(SQLiteStorage(made), verb)())
        await is_opening.wait()
    try:
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running  # at once: what is cancelled waits for no disk

        with pytest.raises(StorageUnavailable, match="another taskqueue process holds"):
            await SQLiteStorage(made, busy_timeout_s=0.1).open()
    finally:
        may_go_on.set()

    other = SQLiteStorage(made, busy_timeout_s=10.0)
    await other.open()
    await other.close()


async def test_an_abandoned_storage_ends_by_itself_and_leaves_the_file_to_the_next(
    path: Path,
) -> None:
    with no_thread_left():
        storage = SQLiteStorage(path)
        await storage.migrate()
        await storage.open()
        await add(storage, "a")

        storage.abandon()
        storage.abandon()
        with pytest.raises(StorageUnavailable, match="closed"):
            await add(storage, "b")
        with pytest.raises(StorageUnavailable, match="closed"):
            await storage.counts()

        await storage.open()  # waits for the lock, which the old thread gives up at its end
        assert ids(await storage.find(limit=10, now=0.0)) == ["a"]
        await storage.close()


async def test_whoever_waits_on_an_abandoned_storage_is_told(
    storage: SQLiteStorage, path: Path
) -> None:
    committing = asyncio.ensure_future(add(storage, "committing"))
    for _ in range(3):  # turns of the loop: its commit is on its way
        await asyncio.sleep(0)
    waiting = asyncio.ensure_future(add(storage, "waiting"))
    await asyncio.sleep(0)

    storage.abandon()
    answers = await asyncio.gather(committing, waiting, return_exceptions=True)
    await storage.open()

    assert {type(answer) for answer in answers} <= {StorageUnavailable, type(None)}
    assert isinstance(answers[1], StorageUnavailable)
    assert set(ids(await storage.find(limit=10, now=0.0))) <= {"committing"}
    assert shell(path, "SELECT sum(tasks) FROM counters") == shell(
        path, "SELECT count(*) FROM tasks"
    )


def test_a_storage_can_be_abandoned_when_its_loop_is_gone(path: Path) -> None:
    async def leave_work_behind() -> None:
        await storage.migrate()
        await storage.open()
        asyncio.get_running_loop().create_task(add(storage, "a"))
        for _ in range(3):
            await asyncio.sleep(0)

    with no_thread_left():
        storage = SQLiteStorage(path)
        asyncio.run(leave_work_behind())

        storage.abandon()

    assert shell(path, "PRAGMA integrity_check") == [("ok",)]


# --- the connection -------------------------------------------------------------------------------


async def test_one_hop_runs_a_function_on_the_connections_own_thread(path: Path) -> None:
    connection = await ThreadConnection.open(path, "rwc", busy_timeout_s=0.0, set_up=lambda _: None)

    def where(db: sqlite3.Connection) -> tuple[object, int]:
        return db.execute("SELECT 41 + 1").fetchone(), threading.get_ident()

    (row, first), (_, second) = await asyncio.gather(connection.run(where), connection.run(where))
    await connection.close()

    assert row == (42,)
    assert first == second != threading.get_ident()
    with pytest.raises(StorageUnavailable, match="closed"):
        connection.run(where)


async def test_a_cancelled_answer_does_not_stop_the_function(path: Path) -> None:
    connection = await ThreadConnection.open(path, "rwc", busy_timeout_s=0.0, set_up=lambda _: None)
    done: list[str] = []
    defects: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: defects.append(context))

    connection.run(lambda _: done.append("cancelled")).cancel()
    await connection.run(lambda _: done.append("next"))
    await connection.close()

    assert done == ["cancelled", "next"]
    assert defects == []


# --- the price ------------------------------------------------------------------------------------


def _work(db: sqlite3.Connection, limit: int) -> int:
    """Count the instructions of SQLite's machine, in tens, that a claim takes. Then undo it."""
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    db.execute("BEGIN")
    db.set_progress_handler(step, 10)
    claimed = claiming.claim(
        Transaction(db), "default", limit=max(limit, 1), owner=ME, expires_at=9.0, now=1.0
    )
    db.set_progress_handler(None, 0)
    db.execute("ROLLBACK")
    assert len(claimed) == limit
    return steps[0]


def test_a_claim_costs_the_same_whatever_lies_beside_it(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db)
        fill = Transaction(db)
        inserting.insert(fill, [new_task(f"b{n}", priority=1) for n in range(20)], now=0.0)
        alone = _work(db, limit=10)

        future = [new_task(f"f{n}", priority=0, run_at=1e9) for n in range(20_000)]
        later = [new_task(f"l{n}", priority=1) for n in range(20_000)]
        other = [new_task(f"o{n}", queue="other") for n in range(20_000)]
        db.execute("BEGIN")
        inserting.insert(fill, [*future, *later, *other], now=0.5)
        db.execute("COMMIT")

        # One priority more is stepped over.
        assert _work(db, limit=10) < alone * 2


def test_a_batch_takes_few_statements(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db)
        tx = Transaction(db)
        executed: list[str] = []
        db.set_trace_callback(executed.append)

        inserting.insert(tx, [new_task(f"{n}") for n in range(256)], now=0.0)
        claimed = claiming.claim(tx, "default", limit=256, owner=ME, expires_at=9.0, now=0.0)
        tokens = [delivery.token for delivery in claimed]
        claiming.start(tx, tokens[:16], now=0.0)
        claiming.extend(tx, tokens, expires_at=9.0)
        done = [SettleBy(token=token, settlement=DONE, started_at=0.0) for token in tokens]
        settling.settle(tx, done, refused={}, now=1.0)
        tx.write_counts()
        db.set_trace_callback(None)

        assert len(claimed) == 256
        assert len(executed) < 20


def test_a_claim_from_a_paused_queue_does_not_walk_it(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        runner.migrate(db)
        tx = Transaction(db)
        inserting.insert(tx, [new_task("alone")], now=0.0)
        alone = _work(db, limit=1)
        db.execute("BEGIN")
        inserting.insert(tx, [new_task(f"{n}") for n in range(20_000)], now=0.0)
        administration.pause(tx, "default", now=0.0)
        db.execute("COMMIT")

        assert _work(db, limit=0) < alone


async def test_find_of_a_rare_status_does_not_walk_the_others(storage: SQLiteStorage) -> None:
    await add(storage, *(f"{n:05}" for n in range(4)))
    retried, dead, running, snoozed = await claim(storage)
    await settle(storage, retried, FAILURE)
    await settle(storage, dead, BURIAL)
    await settle(storage, snoozed, LATER)
    await storage.start([running.token], now=0.0)
    await add(storage, *(f"f{n:05}" for n in range(20_000)), run_at=1e9)
    await add(storage, *(f"q{n:05}" for n in range(20_000)), now=0.0)
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    await storage._read(lambda db: db.set_progress_handler(step, 100))
    rare = (Status.RETRYING, Status.DEAD, Status.RUNNING, Status.COMPLETED, Status.CANCELLED)
    found = [await storage.find(status=status, limit=100, now=20.0) for status in rare]
    due = await storage.find(status=Status.QUEUED, before="00009", limit=100, now=20.0)

    assert [ids(page) for page in found] == [["00000"], ["00001"], ["00002"], [], []]
    assert ids(due) == ["00003"]
    assert steps[0] < 50  # walking one status of twenty thousand takes a thousand and more


# --- logging --------------------------------------------------------------------------------------


async def test_what_a_handler_does_to_logging_does_not_end_the_connections_thread(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> logging.LogRecord:
        raise ZeroDivisionError

    monkeypatch.setattr(logging.root, "level", logging.DEBUG)
    logging.root.manager._clear_cache()  # type: ignore[attr-defined] - of levels
    monkeypatch.setattr(logging, "_logRecordFactory", refuse)

    for _ in range(2):
        async with asyncio.timeout(10):
            assert await storage.all_due() == {}
