"""Writes that come together share one commit, and nothing else."""

import asyncio
import sqlite3
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import Complete, NewTask, Owner, SettleBy, Settled, Status
from taskqueue.storage.sqlite.commit import writer
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.contract.steps import add, claim, ids, new_task

ME = Owner(node="here", incarnation="1")
UNSTORABLE = new_task("poison", priority=2**70)  # SQLite's integers end at 2**63


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


def commits(path: Path) -> int:
    """Count the commits in the write-ahead log, as its format tells them.

    Each frame's header holds at its fifth byte the size of the database after a commit, and zero if
    more frames of the same commit follow. Frames of an earlier round of the log bear another salt.
    """
    log = path.with_name(path.name + "-wal").read_bytes()
    page_size, salt = struct.unpack(">I", log[8:12])[0], log[16:24]
    frames = range(32, len(log), 24 + page_size)
    return sum(
        log[at + 8 : at + 16] == salt and struct.unpack(">I", log[at + 4 : at + 8])[0] > 0
        for at in frames
    )


async def test_inserts_that_wait_together_share_a_commit(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "first")
    before = commits(path)

    await asyncio.gather(*(add(storage, f"{n:03}") for n in range(200)))

    assert commits(path) - before == 1
    assert (await storage.counts())[Status.QUEUED] == 201


async def test_different_verbs_share_a_commit_in_the_order_of_their_calls(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    before = commits(path)

    settled, _, claimed, none_left, _ = await asyncio.gather(
        storage.settle([SettleBy(token=a.token, settlement=Complete(result="1"))], now=1.0),
        add(storage, "b"),
        claim(storage),
        claim(storage),
        add(storage, "c"),
    )

    assert settled == (Settled.WRITTEN,)
    assert (ids(claimed), ids(none_left)) == (["b"], [])
    assert commits(path) - before == 1


async def test_a_write_alone_is_committed_when_it_returns(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    before = commits(path)

    for n in range(5):
        await add(storage, str(n))

    assert commits(path) - before == 5


async def test_what_came_during_a_commit_shares_the_next(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    before = commits(path)
    begun = asyncio.Event()
    first = asyncio.ensure_future(storage.insert([announced(new_task("first"), begun)], now=0.0))
    await begun.wait()

    await asyncio.gather(first, *(add(storage, f"{n:02}") for n in range(50)))

    assert commits(path) - before == 2


async def test_what_comes_while_the_loop_is_busy_shares_the_commit(
    storage: SQLiteStorage, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "GATHER_S", 60.0)  # however long this process is not run
    await add(storage, "a")
    before = commits(path)
    adding = [asyncio.ensure_future(add(storage, "first"))]

    for n in range(10):  # more turns than an idle loop would wait
        await asyncio.sleep(0)
        be_busy()
        adding.append(asyncio.ensure_future(add(storage, str(n))))
    await asyncio.gather(*adding)

    assert commits(path) - before == 1


async def test_a_busy_loop_does_not_hold_a_commit_up_for_long(storage: SQLiteStorage) -> None:
    adding = asyncio.ensure_future(add(storage, "a"))

    while not adding.done():  # it would be for ever
        await asyncio.sleep(0)
        be_busy()

    assert (await storage.counts())[Status.QUEUED] == 1


def be_busy() -> None:
    """Make this turn of the loop longer than an idle one."""
    until = time.perf_counter() + 3 * writer.BUSY_S
    while time.perf_counter() < until:
        pass


def announced(task: NewTask, begun: asyncio.Event) -> Any:
    """Return the task as one that tells when the writer looks at it: its commit has begun."""
    loop = asyncio.get_running_loop()

    class Announced:
        def __getattr__(self, name: str) -> Any:
            loop.call_soon_threadsafe(begun.set)
            return getattr(task, name)

    return Announced()


async def test_a_write_that_fails_fails_alone(storage: SQLiteStorage) -> None:
    answers = await asyncio.gather(
        add(storage, "a"),
        storage.insert([new_task("with poison"), UNSTORABLE], now=0.0),
        add(storage, "b"),
        claim(storage),
        return_exceptions=True,
    )

    assert isinstance(answers[1], OverflowError)
    assert [answers[0], answers[2]] == [None, None]
    assert ids(answers[3]) == ["a", "b"]
    assert ids(await storage.find(limit=10, now=0.0)) == ["b", "a"]
    counts = await storage.counts()
    assert sum(counts.values()) == counts[Status.QUEUED] == 2


async def test_a_cancelled_caller_leaves_its_neighbours_alone(storage: SQLiteStorage) -> None:
    before = asyncio.ensure_future(add(storage, "a"))
    cancelled = asyncio.ensure_future(add(storage, "b"))
    after = asyncio.ensure_future(add(storage, "c"))
    await asyncio.sleep(0)  # all three have asked

    cancelled.cancel()
    await asyncio.gather(before, after)

    assert cancelled.cancelled()
    found = await storage.find(limit=10, now=0.0)
    assert {"a", "c"} <= set(ids(found)) <= {"a", "b", "c"}
    assert (await storage.counts())[Status.QUEUED] == len(found)
    await add(storage, "d")
    assert await storage.get("d", now=0.0) is not None


async def test_all_callers_cancelled_leave_a_storage_that_works(storage: SQLiteStorage) -> None:
    callers = [asyncio.ensure_future(add(storage, str(n))) for n in range(20)]
    await asyncio.sleep(0)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)

    await add(storage, "later")

    assert await storage.get("later", now=0.0) is not None


async def test_close_finishes_what_was_asked_before_and_refuses_what_comes_after(
    storage: SQLiteStorage,
) -> None:
    asked = [asyncio.ensure_future(add(storage, str(n))) for n in range(20)]
    await asyncio.sleep(0)

    closing = asyncio.ensure_future(storage.close())
    await asyncio.gather(*asked)
    await closing
    with pytest.raises(StorageUnavailable, match="closed"):
        await add(storage, "late")

    await storage.open()
    assert (await storage.counts())[Status.QUEUED] == 20


async def test_when_the_file_is_locked_all_who_share_the_commit_are_told(path: Path) -> None:
    storage = SQLiteStorage(path, busy_timeout_s=0.01)
    await storage.migrate()
    await storage.open()
    shell = sqlite3.connect(path, isolation_level=None)
    shell.execute("BEGIN IMMEDIATE")

    answers = await asyncio.gather(
        *(add(storage, str(n)) for n in range(3)), return_exceptions=True
    )
    read_meanwhile = await storage.find(limit=10, now=0.0)
    shell.execute("ROLLBACK")
    shell.close()
    await add(storage, "after")

    assert [type(answer) for answer in answers] == [StorageUnavailable] * 3
    assert len({id(answer) for answer in answers}) == 3
    assert all("database is locked (SQLITE_BUSY)" in str(answer) for answer in answers)
    assert read_meanwhile == ()
    assert ids(await storage.find(limit=10, now=0.0)) == ["after"]
    await storage.close()


async def _settle(storage: SQLiteStorage, token: str, *, patient: bool = True) -> Any:
    by = SettleBy(token=token, settlement=Complete(result="1"))
    return await storage.settle([by], patient=patient, now=1.0)


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "PATIENCE_S", 3600.0)


@pytest.mark.usefixtures("endless_patience")
async def test_a_patient_write_shares_the_commit_of_the_next(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    before = commits(path)

    settling = asyncio.ensure_future(_settle(storage, a.token))
    await asyncio.sleep(0.02)
    assert commits(path) == before
    assert not settling.done()

    await add(storage, "b")
    assert await settling == (Settled.WRITTEN,)
    assert commits(path) - before == 1


@pytest.mark.usefixtures("endless_patience")
async def test_only_so_many_patient_writes_wait(storage: SQLiteStorage, path: Path) -> None:
    await add(storage, *(f"{n}" for n in range(writer.MOST_PATIENT + 1)))
    claimed = await claim(storage, limit=writer.MOST_PATIENT + 1)
    before = commits(path)

    answers = await asyncio.gather(*(_settle(storage, each.token) for each in claimed))

    assert answers == [(Settled.WRITTEN,)] * (writer.MOST_PATIENT + 1)
    assert commits(path) - before == 1


@pytest.mark.usefixtures("endless_patience")
async def test_who_reads_a_task_has_its_end_written_at_once(
    storage: SQLiteStorage,
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    settling = asyncio.ensure_future(_settle(storage, a.token))
    await asyncio.sleep(0)

    await storage.get("a", now=1.0)  # who asks for the task waits for its end

    assert await settling == (Settled.WRITTEN,)


@pytest.mark.usefixtures("endless_patience")
async def test_a_patient_write_is_committed_before_the_file_is_closed(
    storage: SQLiteStorage,
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    settling = asyncio.ensure_future(_settle(storage, a.token))
    await asyncio.sleep(0)

    await storage.close()

    assert await settling == (Settled.WRITTEN,)


@pytest.mark.usefixtures("endless_patience")
async def test_a_patient_write_that_comes_during_a_commit_waits_for_the_one_after(
    storage: SQLiteStorage, path: Path
) -> None:
    await add(storage, "a")
    [a] = await claim(storage)
    before = commits(path)
    begun = asyncio.Event()
    first = asyncio.ensure_future(storage.insert([announced(new_task("first"), begun)], now=0.0))
    await begun.wait()
    settling = asyncio.ensure_future(_settle(storage, a.token))
    await first
    assert not settling.done()

    await add(storage, "b")
    assert await settling == (Settled.WRITTEN,)
    assert commits(path) - before == 2


async def test_a_patient_write_is_soon_committed_alone(storage: SQLiteStorage) -> None:
    await add(storage, "a")
    [a] = await claim(storage)

    assert await _settle(storage, a.token) == (Settled.WRITTEN,)
