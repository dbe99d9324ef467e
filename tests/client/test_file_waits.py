"""A client on a file waits without reading it, and is woken by the commit of whatever process."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from taskqueue import AsyncClient, Client, WaitTimeout
from taskqueue.client.async_writes import AsyncWrites
from taskqueue.client.waiting import LONG_S, SHORT_S
from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.disk import inotify
from taskqueue.storage.sqlite.disk.inotify import FileEventWatch
from taskqueue.storage.sqlite.disk.log_writes import LogWatch, LogWrites
from taskqueue.testing.process import ServiceProcess

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


# --- a log that was removed or replaced by hand ---------------------------------------------------


def replace(log: Path) -> None:
    log.rename(log.with_name("old"))
    log.touch()


def replace_in_one_step(log: Path) -> None:
    log.with_name("new").touch()
    log.with_name("new").replace(log)


@pytest.mark.parametrize("replaces", [replace, replace_in_one_step])
def test_a_log_that_was_replaced_ends_the_wait_and_the_new_one_is_watched(
    tmp_path: Path, replaces: Callable[[Path], None]
) -> None:
    log = tmp_path / "log"
    log.touch()
    writes = LogWrites(log)

    with writes.watched(), log.open("a"):  # open somewhere: the system does not tell of its end
        replaces(log)
        writes.wait(0, TIMEOUT_S)
        writes.wait(1, TIMEOUT_S)  # begins to watch again
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(writes.wait, 2, TIMEOUT_S)
            log.write_text("x")
            waiting.result(TIMEOUT_S)

    assert writes.count == 3


def test_while_there_is_no_log_a_wait_is_short(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    writes = LogWrites(log)

    with writes.watched():
        log.unlink()
        writes.wait(0, TIMEOUT_S)
        for _ in range(3):
            writes.wait(1, TIMEOUT_S)
        log.touch()
        writes.wait(1, TIMEOUT_S)

    assert writes.count == 2


def test_a_touch_ends_no_wait(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()

    with closing(LogWatch(log)) as watch:
        os.utime(log)
        is_written = watch.drain()

    assert (is_written, watch.is_lost) == (False, False)


async def test_coroutines_watch_the_new_log_as_well(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    writes = AsyncWrites(partial(LogWatch, log))

    async with asyncio.timeout(TIMEOUT_S):
        with writes.watched():
            waiting = [asyncio.create_task(writes.wait(0, TIMEOUT_S)) for _ in range(3)]
            await asyncio.sleep(0)
            log.unlink()
            await asyncio.gather(*waiting)
            await writes.wait(1, TIMEOUT_S)  # there is no log
            log.touch()
            await writes.wait(1, TIMEOUT_S)  # begins to watch again
            again = asyncio.create_task(writes.wait(2, TIMEOUT_S))
            await asyncio.sleep(0)
            log.write_text("x")
            await again

    assert writes.count == 3


@pytest.fixture
def service_on(tmp_path: Path) -> ServiceProcess:
    return ServiceProcess(tmp_path, "--consumers", "0", "--database", "tasks.db")


async def lose(service: ServiceProcess, path: Path, ends: tuple[str, ...]) -> None:
    """Remove these files beside the database, and wait until its service has opened it again."""
    for end in ends:
        path.with_name(f"{path.name}{end}").unlink()
    await service.wait_for("storage_degraded")
    await service.wait_for("storage_ready", nth=2)


LOSSES = pytest.mark.parametrize("ends", [("-wal",), ("-wal", "-shm")], ids=" ".join)


@LOSSES
async def test_a_thread_that_waits_outlives_the_log(
    service_on: ServiceProcess, tmp_path: Path, quiet: Quiet, ends: tuple[str, ...]
) -> None:
    path = tmp_path / "tasks.db"
    async with service_on as service:
        with Client(f"sqlite:///{path}") as queue:
            task = queue.enqueue("uppercase", text="a")
            waiting = asyncio.create_task(asyncio.to_thread(task.wait, TIMEOUT_S))
            await asyncio.to_thread(quiet.wait_for, 1)

            await lose(service, path, ends)
            await asyncio.to_thread(cancel, path, task.id)

            assert (await waiting).status is Status.CANCELLED


@LOSSES
async def test_a_coroutine_that_waits_outlives_the_log(
    service_on: ServiceProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ends: tuple[str, ...],
) -> None:
    path, begun, wait = tmp_path / "tasks.db", asyncio.Event(), AsyncWrites.wait

    async def waits(self: AsyncWrites, seen: int, timeout_s: float) -> None:
        if timeout_s > QUIET_S:
            begun.set()
        await wait(self, seen, timeout_s)

    monkeypatch.setattr(AsyncWrites, "wait", waits)
    async with service_on as service, AsyncClient(f"sqlite:///{path}") as queue:
        task = await queue.enqueue("uppercase", text="a")
        waiting = asyncio.create_task(task.wait(timeout_s=TIMEOUT_S))
        await begun.wait()

        await lose(service, path, ends)
        await asyncio.to_thread(cancel, path, task.id)

        assert (await waiting).status is Status.CANCELLED


async def test_a_service_hears_of_commits_through_the_next_log(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    async with ServiceProcess(tmp_path, "--database", "tasks.db") as service:
        await lose(service, path, ("-wal",))

        with Client(f"sqlite:///{path}") as queue:
            task = await asyncio.to_thread(queue.enqueue, "uppercase", text="a")
        await service.wait_for("task_completed", task_id=task.id)


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
