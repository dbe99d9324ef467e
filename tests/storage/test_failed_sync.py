# ruff: noqa: ASYNC240  a test may wait for its own disk
"""A disk that fails to sync, to make a file, or to read, and a log that is removed."""

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.commit import checkpointer
from taskqueue.storage.sqlite.connections.opener import WritesIn
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.disk import file
from taskqueue.storage.sqlite.disk.lock import FileLock
from taskqueue.storage.sqlite.disk.wal import checkpoint
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.errors import SyncFailed
from taskqueue.testing.contract.steps import add, ids
from tests.disk.shim import FaultyDisk, compiler


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture(params=["thread", "process"])
async def storage(path: Path, request: pytest.FixtureRequest) -> AsyncIterator[SQLiteStorage]:
    writes_in: WritesIn = request.param
    storage = SQLiteStorage(path, writes_in=writes_in)
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


def log_of(path: Path) -> bytes:
    return path.with_name(f"{path.name}-wal").read_bytes()


def accepted_in(path: Path) -> int:
    """Count the tasks in the file alone, without its log."""
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(db.execute("SELECT count(*) FROM tasks").fetchone()[0])


@contextmanager
def syncs_failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have checkpoints on the service's side fail as by an EIO of fsync."""

    def fail(_: sqlite3.Connection) -> int:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(checkpointer, "checkpoint", fail)
        yield


async def fail_to_sync(storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert storage._opened is not None
    with syncs_failing(monkeypatch):
        storage._opened.checkpointer.written(10**6)
        await storage._opened.checkpointer._idle.wait()


async def half_checkpointed(storage: SQLiteStorage, path: Path) -> None:
    """Write more than a checkpoint can bring into the file, which is then not synced."""
    assert storage._opened is not None
    await add(storage, *(f"a{n}" for n in range(300)))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM tasks").fetchall()  # keeps what comes in the log
        await add(storage, *(f"b{n}" for n in range(300)))
        await storage._opened.checkpointer._connection.run(checkpoint)


@asynccontextmanager
async def open_elsewhere(path: Path) -> AsyncIterator[None]:
    """Have another process keep the file open while inside."""
    script = (
        "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]);"
        "db.execute('SELECT count(*) FROM tasks').fetchall(); print(flush=True); input()"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(path)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        await process.stdout.readline()
        yield
    finally:
        process.kill()
        await process.communicate()


async def test_after_a_failed_sync_the_whole_log_is_written_again(
    storage: SQLiteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    await half_checkpointed(storage, path)
    assert path.read_bytes() != before

    await fail_to_sync(storage, monkeypatch)
    log = log_of(path)
    await storage.close()
    kept = log_of(path)
    path.write_bytes(before)  # what the disk has, if nothing of all this was synced
    await storage.open()

    assert kept == log
    assert accepted_in(path) == 600
    assert (await storage.counts())[Status.QUEUED] == 600


async def test_another_process_that_has_the_file_open_keeps_no_part_of_the_log_from_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = SQLiteStorage(path, writes_in="process")
    await storage.migrate()
    await storage.open()
    before = path.read_bytes()
    await half_checkpointed(storage, path)

    async with open_elsewhere(path):
        await fail_to_sync(storage, monkeypatch)
        await storage.close()
        path.write_bytes(before)  # what the disk has, if nothing of all this was synced
        await storage.open()

    assert accepted_in(path) == 600
    await storage.close()


async def test_the_death_of_the_writer_leaves_the_whole_log_to_be_written_again(
    path: Path,
) -> None:
    storage = SQLiteStorage(path, writes_in="process")
    await storage.migrate()
    await storage.open()
    lost = asyncio.Event()
    storage.on_loss(lambda _: lost.set())
    before = path.read_bytes()
    await half_checkpointed(storage, path)
    assert storage._opened is not None
    assert isinstance(storage._opened.writer._connection, ProcessConnection)

    storage._opened.writer._connection.kill()  # in a sync that failed, for all that is known
    await lost.wait()
    log = log_of(path)
    await storage.close()
    kept = log_of(path)
    path.write_bytes(before)
    await storage.open()

    assert kept == log
    assert accepted_in(path) == 600
    await storage.close()


async def test_a_storage_with_a_failed_sync_writes_nothing_until_it_is_opened_again(
    storage: SQLiteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[StorageUnavailable] = []
    storage.on_loss(told.append)
    await add(storage, "a")

    await fail_to_sync(storage, monkeypatch)
    with pytest.raises(SyncFailed, match="the whole log has to be written again"):
        await add(storage, "b")
    await storage.close()
    await storage.open()
    await add(storage, "c")

    assert [type(error) for error in told] == [SyncFailed]
    assert ids(await storage.find(limit=10, now=0.0)) == ["c", "a"]


async def test_an_owner_that_is_killed_after_a_failed_sync_leaves_the_log(
    storage: SQLiteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = path.read_bytes()
    await half_checkpointed(storage, path)
    await fail_to_sync(storage, monkeypatch)
    log = log_of(path)

    storage.abandon()
    lock = await FileLock.take(path, within_s=10.0)  # it is free when all is closed
    kept = log_of(path)
    path.write_bytes(before)  # what the disk has, if nothing of all this was synced
    lock.release()
    other = SQLiteStorage(path)
    await other.open()
    await other.close()

    assert kept == log
    assert accepted_in(path) == 600


@pytest.mark.parametrize("end", ["-wal", "-shm"])
async def test_a_log_that_is_removed_is_noticed_and_brought_into_the_file(
    storage: SQLiteStorage, path: Path, end: str
) -> None:
    await add(storage, "a")
    path.with_name(path.name + end).unlink()

    with pytest.raises(StorageUnavailable, match=r"its log .* was removed"):
        await add(storage, "b")
    with pytest.raises(StorageUnavailable, match=r"its log .* was removed"):
        await storage.counts()
    await storage.close()
    await storage.open()

    assert ids(await storage.find(limit=10, now=0.0)) == ["a"]


async def test_what_is_committed_into_a_removed_log_is_not_acknowledged(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()

    with pytest.raises(StorageUnavailable, match=r"its log .* was removed"):
        await storage._write(lambda tx: path.with_name(f"{path.name}-wal").unlink())

    await storage.close()


async def test_a_removed_log_that_cannot_be_saved_yet_is_not_let_go(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM tasks").fetchall()
        await add(storage, "b")
        path.with_name(f"{path.name}-wal").unlink()

        with pytest.raises(StorageUnavailable, match="another process reads"):
            await storage.close()
        other.execute("ROLLBACK")
        await storage.close()

    await storage.open()
    assert ids(await storage.find(limit=10, now=0.0)) == ["b", "a"]


def test_the_names_of_new_folders_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(file.os, "fsync", lambda fd: synced.append(os.fstat(fd).st_ino))

    file.make_folder(tmp_path / "a" / "b")

    assert set(synced) == {tmp_path.stat().st_ino, (tmp_path / "a").stat().st_ino}


# --- in a process on a disk that fails ------------------------------------------------------------


async def seen_by(scenario: str, folder: Path) -> list[Any]:
    if compiler() is None:
        pytest.skip("no C compiler (cc) here to build the shim that makes a disk fail")
    root = folder / "disk"
    root.mkdir()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.storage.on_a_failing_disk", scenario, str(root)),
        env=os.environ | FaultyDisk(folder, root).env,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    seen: list[Any] = json.loads(out)
    return seen


@pytest.mark.timeout(180)  # it opens one storage after the other, many times
async def test_a_storage_that_opens_is_in_wal_mode_whatever_failed_before(tmp_path: Path) -> None:
    seen = await seen_by("opening", tmp_path)

    failed = {call for call, _, failed, _, _ in seen if failed}
    opened = [each for each in seen if each[3] is None]
    assert {"SYNC", "WRITE", "UNLINK"} <= failed
    assert [each for each in opened if each[4] != "wal"] == []
    assert all(each[3].startswith("Storage") for each in seen if each[3] is not None)


async def test_a_disk_that_fails_to_read_is_not_called_damaged_for_certain(tmp_path: Path) -> None:
    first, again, healed, found = await seen_by("reading", tmp_path)

    assert "cannot be read from the disk" in first
    assert (
        again
        == f"StorageUnavailable: storage unavailable: {tmp_path}/disk/tasks.db: Input/output error"
    )
    assert healed is None
    assert found == ["a"]


@pytest.mark.timeout(120)  # a process after the other has to start and to die
@pytest.mark.long
async def test_processes_that_are_killed_during_a_commit_have_written_all_of_it_once_or_nothing(
    tmp_path: Path,
) -> None:
    of_statements, of_writer, status, rows, integrity = await seen_by("committing", tmp_path)

    assert of_statements == "WRITTEN"
    assert "the process that writes has ended by signal 9" in of_writer
    assert (status, rows, integrity) == ("completed", [[1]], "ok")
