"""A client on a file waits without reading it, and is woken by the commit of whatever process."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from taskqueue import AsyncClient, Client, WaitTimeout
from taskqueue.client.async_writes import AsyncWrites
from taskqueue.client.waiting import LONG_S, SHORT_S
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.disk import inotify
from taskqueue.storage.sqlite.disk.inotify import FileEventWatch
from taskqueue.storage.sqlite.disk.log_writes import LogWrites

TIMEOUT_S = 30.0
QUIET_S = 1.0  # a wait for a write that is longer comes when all looks are done


def traced(queue: Client | AsyncClient) -> list[str]:
    """The statements that the client's reader runs from now on."""
    file = queue._route._file  # type: ignore[union-attr]
    file.version()
    statements: list[str] = []
    file._file._reading._opened[1].set_trace_callback(statements.append)
    return statements


def reads_of(statements: list[str]) -> list[str]:
    return [each for each in statements if "FROM main.tasks WHERE id" in each]


def cancel(path: Path, *task_ids: str) -> None:
    """End tasks through another connection to the file."""
    with Client(f"sqlite:///{path}") as other:
        for task_id in task_ids:
            other.task(task_id).cancel()


class Quiet:
    """Which threads have begun to wait for a write with no more looks to come."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._threads: set[int] = set()

    def add_this(self) -> None:
        with self._changed:
            self._threads.add(threading.get_ident())
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        """Wait for so many threads, and begin anew."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._threads) == count, TIMEOUT_S)
            self._threads.clear()


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> Quiet:
    quiet = Quiet()
    wait = LogWrites.wait

    def waits(self: LogWrites, seen: int, timeout_s: float) -> None:
        if timeout_s > QUIET_S:
            quiet.add_this()
        wait(self, seen, timeout_s)

    monkeypatch.setattr(LogWrites, "wait", waits)
    return quiet


def test_an_idle_wait_reads_the_task_once(queue: Client) -> None:
    task = queue.enqueue("add", left=1, right=1)
    statements = traced(queue)

    with pytest.raises(WaitTimeout):
        task.wait(timeout_s=1.5)

    assert len(reads_of(statements)) == 1
    looks = [each for each in statements if "data_version" in each]
    assert len(looks) <= 2 * (len(SHORT_S) + len(LONG_S) + 2)


def test_a_wait_is_idle_until_a_commit_wakes_it(queue: Client, path: Path, quiet: Quiet) -> None:
    task = queue.enqueue("add", left=1, right=1)
    statements = traced(queue)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(task.wait, TIMEOUT_S)
        quiet.wait_for(1)
        statements.clear()

        cancel(path, task.id)
        info = waiting.result(TIMEOUT_S)

    assert info.status is Status.CANCELLED
    assert len(reads_of(statements)) == 1


def test_threads_that_wait_with_one_client_share_a_watch(
    queue: Client, path: Path, quiet: Quiet, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    on = FileEventWatch.on
    monkeypatch.setattr(
        FileEventWatch, "on", lambda log, event: opened.append(log) or on(log, event)
    )
    tasks = queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(4)])
    with ThreadPoolExecutor(len(tasks)) as threads:
        waiting = [threads.submit(task.wait, TIMEOUT_S) for task in tasks]
        quiet.wait_for(len(tasks))

        cancel(path, *(task.id for task in tasks))
        found = [each.result(TIMEOUT_S).status for each in waiting]

    assert found == [Status.CANCELLED] * 4
    assert opened == [path.with_name("tasks.db-wal")]


def test_a_change_of_other_tasks_ends_no_wait(queue: Client, path: Path, quiet: Quiet) -> None:
    task = queue.enqueue("add", left=1, right=1)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(task.wait, TIMEOUT_S)
        quiet.wait_for(1)

        other = queue.enqueue("add", left=2, right=2)
        cancel(path, other.id)
        quiet.wait_for(1)
        is_done = waiting.done()
        cancel(path, task.id)

        assert not is_done
        assert waiting.result(TIMEOUT_S).status is Status.CANCELLED


async def test_coroutines_that_wait_share_a_watch_and_are_woken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    begun = asyncio.Semaphore(0)
    on, wait = FileEventWatch.on, AsyncWrites.wait

    async def waits(self: AsyncWrites, seen: int, timeout_s: float) -> None:
        if timeout_s > QUIET_S:
            begun.release()
        await wait(self, seen, timeout_s)

    monkeypatch.setattr(
        FileEventWatch, "on", lambda log, event: opened.append(log) or on(log, event)
    )
    monkeypatch.setattr(AsyncWrites, "wait", waits)
    async with AsyncClient(f"sqlite:///{path}") as queue:
        tasks = await queue.enqueue_many([("add", {"left": n, "right": n}) for n in range(4)])
        waiting = [asyncio.create_task(task.wait(timeout_s=TIMEOUT_S)) for task in tasks]
        async with asyncio.timeout(TIMEOUT_S):
            for _ in waiting:
                await begun.acquire()
            await asyncio.to_thread(cancel, path, *(task.id for task in tasks))
            found = [(await each).status for each in waiting]

    assert found == [Status.CANCELLED] * 4
    assert opened == [path.with_name("tasks.db-wal")]


def test_a_system_that_does_not_tell_of_writes_costs_looks_and_no_reads(
    queue: Client, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inotify, "_libc", None)
    task = queue.enqueue("add", left=1, right=1)
    statements = traced(queue)
    with pytest.raises(WaitTimeout):
        task.wait(timeout_s=0.2)
    assert len(reads_of(statements)) == 1

    cancel(path, task.id)

    assert task.wait(timeout_s=TIMEOUT_S).status is Status.CANCELLED


def test_after_a_fork_the_child_has_a_watch_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    writes = LogWrites(log)
    writes._users, writes._pid = 1, -1  # a thread of the parent waits, which the child has not

    with writes.watched() as is_told:
        log.write_text("x")
        writes.wait(0, TIMEOUT_S)

    assert is_told
    assert (writes.count, writes._watch) == (1, None)
