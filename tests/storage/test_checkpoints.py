# ruff: noqa: ASYNC240  a test may wait for its own disk
"""The log is brought into the file beside the commits, and stays short."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add

MIB = 1024 * 1024


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(path, synchronous="NORMAL")
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


def log_size(path: Path) -> int:
    return path.with_name(path.name + "-wal").stat().st_size


async def checkpointed(storage: SQLiteStorage) -> None:
    """Wait until no checkpoint is under way."""
    assert storage._opened is not None
    await storage._opened.checkpointer._idle.wait()


@contextmanager
def no_file_longer_than(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_the_log_stays_short_beside_writers_that_never_rest(
    storage: SQLiteStorage, path: Path
) -> None:
    sizes = []

    async def write(writer: str) -> None:
        for batch in range(50):
            tasks = (f"{writer}-{batch}-{n}" for n in range(100))
            await add(storage, *tasks, payload="x" * 3_000)
            sizes.append(log_size(path))

    await asyncio.gather(*(write(writer) for writer in "abcd"))

    print(max(sizes) / MIB)  # noqa: T201
    assert (await storage.counts())[Status.QUEUED] == 20_000
    assert path.stat().st_size > 48 * MIB
    assert max(sizes) < 40 * MIB


async def test_most_of_the_log_is_in_the_file_before_anybody_closes_it(
    storage: SQLiteStorage, path: Path
) -> None:
    before = path.stat().st_size

    await add(storage, *(f"{n}" for n in range(5_000)), payload="x" * 1_000)
    await checkpointed(storage)

    assert path.stat().st_size - before > 5_000 * 1_000


async def test_a_checkpoint_that_fails_is_told_by_the_next_write_and_only_by_it(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, *(f"a{n}" for n in range(5_000)), payload="x" * 1_000)
    await storage.close()  # all of it is in the file now, and there is no log
    await storage.open()

    with no_file_longer_than(5_000 * 1_000):
        await add(storage, *(f"b{n}" for n in range(2_500)))
        await checkpointed(storage)
        with pytest.raises(StorageUnavailable, match=r"SQLITE_(IOERR|FULL)"):
            await add(storage, "refused")
        await add(storage, "the log has room")
    await add(storage, *(f"c{n}" for n in range(2_500)))
    await checkpointed(storage)
    await add(storage, "well again")

    counts = await storage.counts()
    assert counts[Status.QUEUED] == 10_002
    assert await storage.get("refused", now=0.0) is None
    await storage.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_storage_abandoned_during_a_checkpoint_leaves_the_file_to_the_next(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, *(f"{n}" for n in range(5_000)), payload="x" * 1_000)
    assert storage._opened is not None
    assert not storage._opened.checkpointer._idle.is_set()

    storage.abandon()
    other = SQLiteStorage(path)
    await other.open()  # waits for the lock, which is given up after the checkpoint

    assert (await other.counts())[Status.QUEUED] == 5_000
    await other.close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_a_storage_closed_during_a_checkpoint_leaves_no_log(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, *(f"{n}" for n in range(5_000)), payload="x" * 1_000)

    await storage.close()

    assert {file.name for file in path.parent.iterdir()} == {"tasks.db", "tasks.db.lock"}
