"""A copy has all that the source keeps, whatever was killed meanwhile, or says that it has not."""

import asyncio
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from taskqueue.errors import OperationFailed, SchemaMismatch, StorageUnavailable
from taskqueue.rules.tasks import Settled, Status
from taskqueue.storage.backend import Database
from taskqueue.storage.copying import run
from taskqueue.storage.copying.from_postgres import reading
from taskqueue.storage.copying.session import session
from taskqueue.storage.copying.tables import TABLES
from taskqueue.storage.databases import backend_of
from taskqueue.storage.memory.database import MemoryDatabase
from taskqueue.storage.postgres import connections
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.engine import PostgresStorage
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import (
    BURIAL,
    DONE,
    FAILURE,
    ME,
    add,
    attempts_of,
    claim,
    ids,
    settle,
    task_of,
)
from tests.storage.kept import dump_of, filled, statuses_of, without_leases

OF_ENGINES_ALONE = {"nodes", "counters", "probe", "meta"}
PARTITIONED_BY = {"task_status", "task_end"}  # where attempts lie in PostgreSQL


async def copied(source: Database, target: Database, *, start_over: bool = False) -> set[str]:
    """Copy a database; return the tables that differ."""
    async with run.opened(source, target, start_over=start_over) as copying:
        await copying.run(lambda *_: None)
        tables = await copying.compare(lambda *_: None)
        differing = {table.table for table in tables if not table.is_same}
        if not differing:
            await copying.finish()
    return differing


async def execute(database: PostgresDatabase, sql: str) -> str:
    """Run a statement beside everything else."""
    connection = await asyncpg.connect(database.dsn)
    try:
        return str(await connection.execute(sql))
    finally:
        await connection.close()


@pytest.fixture
async def kept(tmp_path: Path) -> SQLiteDatabase:
    """A file that keeps something of all that there is."""
    return SQLiteDatabase(path=await filled(tmp_path / "kept.db"))


@pytest.fixture
def back(tmp_path: Path) -> SQLiteDatabase:
    """A file that is not there yet."""
    return SQLiteDatabase(path=tmp_path / "back/tasks.db")


# --- what is copied -------------------------------------------------------------------------------


async def test_every_table_and_column_of_both_engines_is_copied(
    tmp_path: Path, migrated_database: PostgresDatabase
) -> None:
    here = dump_of(await filled(tmp_path / "kept.db"))
    connection = await asyncpg.connect(migrated_database.dsn)
    rows = await connection.fetch(
        "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
        " WHERE relnamespace = 'taskqueue'::regnamespace AND attnum > 0"
        " AND relkind IN ('r', 'p') AND NOT relispartition"
    )
    await connection.close()
    there: dict[str, set[str]] = {}
    for table, column in rows:
        if column not in PARTITIONED_BY:
            there.setdefault(table, set()).add(column)

    planned = {table.name: set(table.columns) for table in TABLES}

    kept = {name: set(rows[0]) for name, rows in here.items() if name not in OF_ENGINES_ALONE}
    assert planned == kept
    assert planned == {name: there[name] for name in there if name not in OF_ENGINES_ALONE}


async def test_there_and_back_again_is_the_same(
    kept: SQLiteDatabase, empty_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    assert await copied(kept, empty_database) == set()
    assert await copied(empty_database, back) == set()

    before, after = dump_of(kept.path), dump_of(back.path)
    assert statuses_of(before) == set(Status)
    assert after == without_leases(before)


async def test_a_snapshot_may_be_idle_while_the_other_side_is_compared(
    migrated_database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = "SET LOCAL idle_in_transaction_session_timeout = '50ms'"
    monkeypatch.setattr(connections, "NOT_FROZEN", limit)
    ended = asyncio.Event()
    async with reading(migrated_database) as reader:
        of_a_node = await connections.connect(migrated_database)
        of_a_node.add_termination_listener(lambda _: ended.set())
        await of_a_node.execute(f"BEGIN; {limit}")
        await ended.wait()  # so would be the snapshot, which is idle for longer

        assert [chunk async for chunk in reader.chunks(TABLES[0])] == []


async def test_what_a_copy_does_at_its_end_may_take_as_long_as_it_takes(
    kept: SQLiteDatabase, fresh_database: PostgresDatabase
) -> None:
    await execute(
        fresh_database,
        """
        CREATE FUNCTION public.require_no_limit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            ASSERT current_setting('statement_timeout') = '0', 'statement_timeout';
            ASSERT current_setting('lock_timeout') = '0', 'lock_timeout';
            RETURN NEW;
        END $$;
        CREATE TRIGGER ending BEFORE UPDATE ON taskqueue.counters
        FOR EACH ROW EXECUTE FUNCTION public.require_no_limit();
        """,
    )

    assert await copied(kept, fresh_database) == set()


async def test_the_service_after_a_copy_goes_on_where_the_source_was(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    before = SQLiteStorage(kept.path)
    await before.open()
    counts, groups = await before.counts(), await before.groups(limit=9)
    [held, *_] = await claim(before, queue="keys", limit=1)
    await before.close()
    await copied(kept, migrated_database)

    after = PostgresStorage(migrated_database)
    await after.open()
    stale = await settle(after, held, DONE)
    rescued = await after.rescue(ME, now=1_000.0)
    await add(after, "new", queue="keys")
    claimed = await claim(after, queue="keys", limit=99, now=1_000.0)

    assert await after.counts() == {**counts, Status.QUEUED: counts[Status.QUEUED] + 1}
    assert await after.groups(limit=9) == groups
    assert stale == Settled.LEASE_LOST
    assert held.task.id in ids(rescued)
    assert "new" in ids(claimed)
    await after.close()


async def test_the_history_of_ended_tasks_is_read_and_redriven_after_a_copy(
    tmp_path: Path, migrated_database: PostgresDatabase
) -> None:
    before = SQLiteStorage(tmp_path / "tasks.db")
    await before.migrate()
    await before.open()
    await add(before, "a")
    for end in (FAILURE, BURIAL):
        [delivery] = await claim(before, now=50.0)
        await settle(before, delivery, end)
    attempts = await attempts_of(before, "a")
    await before.close()
    await copied(SQLiteDatabase(path=tmp_path / "tasks.db"), migrated_database)

    after = PostgresStorage(migrated_database)
    await after.open()
    copied_attempts = await attempts_of(after, "a")
    await after.redrive(["a"], now=60.0)
    redriven_attempts = await attempts_of(after, "a")
    await after.close()

    assert len(attempts) == 2
    assert attempts == copied_attempts == redriven_attempts


async def test_what_engines_can_store_only_in_their_own_way_is_the_same_in_a_copy(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    numbers = {"turn": -0.0, "weight": 5e-324, "run_at": 1e308, "created_at": 0.1 + 0.2}
    with closing(sqlite3.connect(kept.path)) as db, db:
        for column, value in numbers.items():
            db.execute(f"UPDATE tasks SET {column} = ? WHERE id = 'odd'", (value,))
        db.execute("UPDATE tasks SET priority = ? WHERE id = 'odd'", (2**63 - 1,))
        db.execute("UPDATE tasks SET reason = ? WHERE id = 'odd'", ("\x01\u2028é🎉" * 9_999,))
    await copied(kept, migrated_database)
    await execute(migrated_database, "UPDATE taskqueue.tasks SET turn = '-0' WHERE turn = 0")

    assert await copied(migrated_database, back) == set()

    assert dump_of(back.path) == without_leases(dump_of(kept.path))


async def test_a_text_that_the_target_cannot_store_is_named(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    with closing(sqlite3.connect(kept.path)) as db, db:
        db.execute("UPDATE tasks SET reason = 'a' || char(0) WHERE id = 'odd'")
        [seq] = db.execute("SELECT seq FROM tasks WHERE id = 'odd'").fetchone()

    with pytest.raises(OperationFailed, match=rf"tasks {seq}: reason has the character NUL"):
        await copied(kept, migrated_database)


# --- interrupted ----------------------------------------------------------------------------------


async def killed(source: str, target: str, in_commit: int) -> int:
    """Copy until the process kills itself inside a commit; return how it ended."""
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.storage.half_a_copy", source, target, str(in_commit)
    )
    return await program.wait()


@pytest.mark.parametrize("in_commit", [1, 10, 15, 20])
async def test_a_copy_to_postgres_that_was_killed_goes_on(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase, in_commit: int
) -> None:
    ended = await killed(str(kept.path), migrated_database.url, in_commit)
    with pytest.raises(StorageUnavailable, match="half a copy"):
        await backend_of(migrated_database).prepare()
    assert await copied(kept, migrated_database) == set()

    await backend_of(migrated_database).prepare()
    await copied(migrated_database, back)
    assert ended == -signal.SIGKILL
    assert dump_of(back.path) == without_leases(dump_of(kept.path))


@pytest.mark.parametrize("in_commit", [1, 10, 15, 20])
async def test_a_copy_to_sqlite_that_was_killed_goes_on(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase, in_commit: int
) -> None:
    await copied(kept, migrated_database)

    ended = await killed(migrated_database.url, str(back.path), in_commit)
    is_there = back.path.exists()
    assert await copied(migrated_database, back) == set()

    assert (ended, is_there) == (-signal.SIGKILL, False)
    assert [each.name for each in back.path.parent.iterdir() if "copying" in each.name] == []
    assert dump_of(back.path) == without_leases(dump_of(kept.path))


async def test_half_a_copy_is_continued_only_from_its_own_source(
    tmp_path: Path, kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    another = SQLiteDatabase(path=await filled(tmp_path / "another.db"))
    await killed(str(kept.path), migrated_database.url, 8)

    with pytest.raises(StorageUnavailable, match=f"half a copy of {kept.path}, not of"):
        await copied(another, migrated_database)
    with pytest.raises(StorageUnavailable, match="half a copy"):
        await copied(migrated_database, back)

    assert await copied(another, migrated_database, start_over=True) == set()


async def test_a_source_that_was_served_since_the_copy_began_is_noticed(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    await killed(str(kept.path), migrated_database.url, 12)
    storage = SQLiteStorage(kept.path)
    await storage.open()
    await storage.cancel(["3-queued"], reason="not wanted", now=3.0)
    await storage.close()

    assert "tasks" in await copied(kept, migrated_database)
    with pytest.raises(StorageUnavailable, match="half a copy"):
        await backend_of(migrated_database).prepare()
    assert await copied(kept, migrated_database, start_over=True) == set()


@pytest.mark.parametrize(
    ("table", "change"),
    [
        ("tasks", "UPDATE taskqueue.tasks SET payload = payload || ' ' WHERE id = 'odd'"),
        ("tasks", "UPDATE taskqueue.tasks SET run_at = run_at + 1e-9 WHERE id = 'odd'"),
        ("attempts", "DELETE FROM taskqueue.attempts WHERE seq = 1"),
        ("paused", "INSERT INTO taskqueue.paused VALUES ('fax', 1)"),
        ("access_tokens", "UPDATE taskqueue.access_tokens SET digest = ''"),
        ("schedule_slots", "UPDATE taskqueue.schedule_slots SET is_open = NOT is_open"),
    ],
)
async def test_a_row_that_is_not_as_it_was_is_found(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, table: str, change: str
) -> None:
    async with run.opened(kept, migrated_database) as copying:
        await copying.run(lambda *_: None)
        before = await copying.compare(lambda *_: None)
        tag = await execute(migrated_database, change)
        after = await copying.compare(lambda *_: None)

    assert tag.split()[-1] != "0"
    assert [each.table for each in before if not each.is_same] == []
    assert [each.table for each in after if not each.is_same] == [table]


# --- refused --------------------------------------------------------------------------------------


async def test_a_file_that_is_served_is_not_copied(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    storage = SQLiteStorage(kept.path)
    await storage.open()

    with pytest.raises(StorageUnavailable, match="holds"):
        await copied(kept, migrated_database)

    await storage.close()


async def test_a_database_that_is_served_is_neither_source_nor_target(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    node = PostgresStorage(migrated_database)
    await node.open()

    with pytest.raises(
        StorageUnavailable, match="a service, a program that enqueues or another copy uses"
    ):
        await copied(migrated_database, back)
    with pytest.raises(
        StorageUnavailable, match="a service, a program that enqueues or another copy uses"
    ):
        await copied(kept, migrated_database)

    await node.close()
    assert await copied(kept, migrated_database) == set()


async def test_no_service_starts_on_either_side_of_a_copy(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    async with run.opened(kept, migrated_database):
        for side in (kept, migrated_database):
            with backend_of(side) as backend, pytest.raises(StorageUnavailable):
                await backend.prepare()
        with pytest.raises(StorageUnavailable, match="is being copied"):
            await PostgresStorage(migrated_database).open()


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
async def test_a_log_of_another_file_of_this_name_is_not_applied_to_the_copy(
    kept: SQLiteDatabase, back: SQLiteDatabase, suffix: str
) -> None:
    back.path.parent.mkdir()
    log = back.path.with_name(back.path.name + suffix)
    log.write_bytes(b"of another database")

    with pytest.raises(StorageUnavailable, match=f"{log.name} is left of another database"):
        await copied(kept, back)

    assert not back.path.exists()


async def test_no_program_writes_to_a_file_beside_a_copy(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    async with run.opened(kept, migrated_database):
        db = sqlite3.connect(kept.path, timeout=0)
        with closing(db), pytest.raises(sqlite3.OperationalError, match="locked"):
            db.execute("DELETE FROM tasks")


async def test_a_node_whose_connection_was_lost_does_not_write_beside_a_copy(
    migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    node = PostgresStorage(migrated_database)
    await node.open()
    await execute(
        migrated_database,
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )

    async with run.opened(migrated_database, back):
        with pytest.raises(StorageUnavailable, match="is being copied"):
            await add(node, "a")
    await add(node, "b")

    assert (await task_of(node, "b")).status is Status.QUEUED
    await node.close()


async def test_behind_a_pooler_no_commit_is_made_beside_a_copy(
    migrated_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    node = PostgresStorage(PostgresDatabase(url=f"{migrated_database.url}&pooler=true"))
    await node.open()

    async with run.opened(migrated_database, back) as copying:
        adding = asyncio.create_task(add(node, "a"))
        await copying.run(lambda *_: None)
        tables = await copying.compare(lambda *_: None)
        is_waiting = not adding.done()
    await adding

    assert is_waiting
    assert {table.source.rows for table in tables} == {0}
    await node.close()


@pytest.mark.parametrize("limit", ["statement_timeout", "idle_in_transaction_session_timeout"])
async def test_limits_that_the_server_has_for_others_do_not_end_a_copy(
    fresh_database: PostgresDatabase, limit: str
) -> None:
    connection = await asyncpg.connect(fresh_database.dsn)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET {limit} = '10s'")
    await connection.close()

    async with session(fresh_database) as copying:
        in_force = await copying.fetchval(f"SELECT current_setting('{limit}')")

    assert in_force == "0"


async def test_a_pooler_cannot_be_copied_through(
    kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    through = PostgresDatabase(url=f"{migrated_database.url}&pooler=true")

    with pytest.raises(StorageUnavailable, match="without pooler=true"):
        await copied(kept, through)


async def test_a_target_keeps_what_is_its_own(
    tmp_path: Path, kept: SQLiteDatabase, migrated_database: PostgresDatabase
) -> None:
    node = PostgresStorage(migrated_database)
    await node.open()
    await node.pause("mail", now=1.0)
    await node.close()
    another = SQLiteDatabase(path=await filled(tmp_path / "another.db"))

    for start_over in (False, True):
        with pytest.raises(StorageUnavailable, match=r"something of its own \(paused\)"):
            await copied(kept, migrated_database, start_over=start_over)
        with pytest.raises(StorageUnavailable, match="exists"):
            await copied(kept, another, start_over=start_over)


async def test_other_sources_are_refused(
    tmp_path: Path, kept: SQLiteDatabase, empty_database: PostgresDatabase, back: SQLiteDatabase
) -> None:
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA user_version = 0")
        db.execute("CREATE TABLE mine (x)")

    with pytest.raises(StorageUnavailable, match="there is no"):
        await copied(back, empty_database)
    with pytest.raises(StorageUnavailable, match="to itself"):
        await copied(kept, kept)
    with pytest.raises(StorageUnavailable, match="keeps nothing"):
        await copied(MemoryDatabase(), empty_database)
    with pytest.raises(StorageUnavailable, match="would keep nothing"):
        await copied(kept, MemoryDatabase())
    with pytest.raises(SchemaMismatch):
        await copied(SQLiteDatabase(path=old), empty_database)
    with pytest.raises(SchemaMismatch):
        await copied(empty_database, back)
