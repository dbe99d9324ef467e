"""The storage notices at once that another connection has committed, and only that."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from taskqueue.storage.sqlite.commit import foreign
from taskqueue.storage.sqlite.connections.opener import WritesIn
from taskqueue.storage.sqlite.direct import SharedFile
from taskqueue.storage.sqlite.disk.inotify import FileEvent, FileEventWatch
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.operations import inserting
from taskqueue.testing.contract.steps import add, new_task
from taskqueue.testing.events import EventLog

IN_TIME_S = 20.0
QUIET_S = 2 * sum(foreign.PAUSES_S)  # all looks after a write are over


class Notices:
    """Counts the calls of `on_foreign_commit`."""

    def __init__(self) -> None:
        self.count = 0
        self._came = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._came.set()

    async def next(self) -> None:
        async with asyncio.timeout(IN_TIME_S):
            await self._came.wait()
        self._came.clear()


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture(params=["thread", "process"])
async def storage(
    request: pytest.FixtureRequest, tmp_path: Path, notices: Notices
) -> AsyncIterator[SQLiteStorage]:
    writes_in: WritesIn = request.param
    storage = SQLiteStorage(tmp_path / "tasks.db", writes_in=writes_in)
    storage.on_foreign_commit(notices)
    await storage.migrate()
    await storage.open()
    yield storage
    await storage.close()


@pytest.fixture
def other(storage: SQLiteStorage, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        yield connection


async def test_each_commit_of_another_connection_is_noticed(
    storage: SQLiteStorage, other: sqlite3.Connection, notices: Notices
) -> None:
    await notices.next()  # the table

    for text in ("a", "b", "c"):
        other.execute("INSERT INTO notes VALUES (?)", (text,))
        await notices.next()


async def test_a_commit_through_the_file_is_noticed_without_waiting_for_the_next_look(
    storage: SQLiteStorage, notices: Notices, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # So only the look that a touch asks for comes in time.
    monkeypatch.setattr(foreign, "PAUSES_S", (2 * IN_TIME_S,) * len(foreign.PAUSES_S))
    insert = partial(inserting.insert, tasks=[new_task("a")], now=1.0)
    file = SharedFile(tmp_path / "tasks.db", patience_s=IN_TIME_S)

    await asyncio.to_thread(file.write, insert)
    await notices.next()

    file.close()


async def test_a_commit_is_noticed_by_our_next_one_without_waiting_for_a_look(
    storage: SQLiteStorage, notices: Notices, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(foreign, "PAUSES_S", (2 * IN_TIME_S,) * len(foreign.PAUSES_S))
    with closing(sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE notes (text)")
    before = notices.count

    await storage.insert([new_task("a")], now=0.0)
    await notices.next()

    assert (before, notices.count) == (0, 1)


async def test_a_client_s_commit_is_told_before_the_look(
    storage: SQLiteStorage, notices: Notices, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A look that its writes ask for may fall between its commit and its touch.
    monkeypatch.setattr(foreign, "PAUSES_S", (2 * IN_TIME_S,) * len(foreign.PAUSES_S))
    early: list[int] = []
    storage.on_foreign_tasks(lambda: early.append(notices.count))
    insert = partial(inserting.insert, tasks=[new_task("a")], now=1.0)
    file = SharedFile(tmp_path / "tasks.db", patience_s=IN_TIME_S)

    await asyncio.to_thread(file.write, insert)
    await notices.next()
    file.close()

    assert set(early) == {0}


async def test_another_reader_is_not_taken_for_a_client(
    storage: SQLiteStorage, notices: Notices, tmp_path: Path
) -> None:
    early: list[int] = []
    await storage.insert([new_task("a")], now=0.0)
    await asyncio.sleep(QUIET_S)  # until the times of the log differ from now
    storage.on_foreign_tasks(lambda: early.append(notices.count))

    for _ in range(10):  # as root, SQLite sets the owner of the log when it opens it
        with closing(sqlite3.connect(tmp_path / "tasks.db")) as reader:
            reader.execute("SELECT count(*) FROM tasks").fetchone()
    await asyncio.sleep(QUIET_S)

    assert early == []


async def test_a_commit_that_comes_long_after_its_writes_is_noticed(
    storage: SQLiteStorage, other: sqlite3.Connection, notices: Notices
) -> None:
    await notices.next()
    other.execute("PRAGMA cache_size = 1")  # so that the log is written before the commit

    other.execute("BEGIN IMMEDIATE")
    other.executemany("INSERT INTO notes VALUES (?)", [("x" * 4000,)] * 200)
    await asyncio.sleep(QUIET_S)
    before = notices.count
    other.execute("COMMIT")
    await notices.next()

    assert before == 1


async def test_our_own_commits_are_not_noticed(storage: SQLiteStorage, notices: Notices) -> None:
    for n in range(20):
        await storage.insert([new_task(f"{n}")], now=0.0)
    await asyncio.sleep(QUIET_S)

    assert notices.count == 0


async def test_a_commit_between_ours_is_noticed(
    storage: SQLiteStorage, other: sqlite3.Connection, notices: Notices
) -> None:
    await notices.next()

    begun = asyncio.Event()

    async def write_on() -> None:
        n = 0
        while True:
            n += 1
            await add(storage, f"{n}")
            begun.set()

    ours = asyncio.create_task(write_on())
    await begun.wait()
    other.execute("PRAGMA busy_timeout = 20000")
    other.execute("INSERT INTO notes VALUES ('between')")
    await notices.next()
    ours.cancel()

    assert notices.count == 2


async def test_a_closed_storage_notices_nothing_and_an_opened_one_does_again(
    storage: SQLiteStorage, other: sqlite3.Connection, notices: Notices
) -> None:
    await notices.next()
    await storage.close()
    other.execute("INSERT INTO notes VALUES ('closed')")
    await asyncio.sleep(QUIET_S)
    before = notices.count

    await storage.open()
    other.execute("INSERT INTO notes VALUES ('open')")
    await notices.next()

    assert before == 1


async def test_without_a_watch_the_storage_works_and_the_log_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, event: FileEvent) -> FileEventWatch:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(FileEventWatch, "on", refuse)
    storage = SQLiteStorage(tmp_path / "tasks.db")
    await storage.migrate()

    with EventLog().installed() as log:
        await storage.open()
    await add(storage, "a")
    await storage.close()

    event = await log.wait_for("foreign_commits_unwatched", timeout_s=IN_TIME_S)
    assert "Too many open files" in event["reason"]
