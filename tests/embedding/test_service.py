"""`async with Service(app)`: the service in a user's program, on the loop that runs there."""

import asyncio
import gc
import logging
import os
import resource
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from taskqueue import (
    App,
    ConfigError,
    Context,
    NotRunning,
    Service,
    ServiceFailed,
    ServiceNotStarted,
    Settings,
    Task,
)
from taskqueue.errors import TaskNotFound
from taskqueue.rules.policy import RetryPolicy
from taskqueue.settings import load
from taskqueue.testing.events import EventLog
from taskqueue.testing.process import children_of

TIMEOUT_S = 20.0


class Jobs:
    """An app, and a gate at which `hold` waits."""

    def __init__(self) -> None:
        self.app = App()
        self.began = threading.Event()
        self.gate = threading.Event()

        @self.app.task("add")
        async def add(ctx: Context, a: int, b: int) -> int:
            return a + b

        @self.app.task("hold")
        async def hold(ctx: Context) -> str:
            self.began.set()
            while not self.gate.is_set():  # noqa: ASYNC110 - another thread opens it
                await asyncio.sleep(0.005)
            return "held"

        self.add = add
        self.hold = hold

    async def holding(self) -> str:
        """Have a handler run until the gate is opened."""
        task_id = await self.hold.enqueue()
        assert await asyncio.to_thread(self.began.wait, TIMEOUT_S)
        return task_id


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    jobs = Jobs()
    yield jobs
    jobs.gate.set()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "tasks.db"


def quiet(jobs: Jobs, database: Path, *, drain_s: float = 30.0) -> Service:
    """A service without HTTP, with one consumer of one slot."""
    return Service(jobs.app, http=False, database=database, consumers=1, slots=1, drain_s=drain_s)


async def later(jobs: Jobs, database: Path, task_id: str) -> tuple[str, int]:
    """Return how the next service, without consumers, finds a task: its status, and attempts."""
    async with Service(jobs.app, http=False, database=database, consumers=0) as service:
        task = await service.task(task_id)
    return str(task.status), task.attempt


# --- it runs ------------------------------------------------------------------------------------


async def test_tasks_are_enqueued_run_and_waited_for_in_the_program(
    jobs: Jobs, database: Path
) -> None:
    async with Service(jobs.app, port=0, database=database) as service:
        task = await service.wait(await jobs.add.enqueue(a=1, b=2))

    assert (task.status, task.result) == ("completed", "3")


async def test_it_listens_on_a_free_port_and_says_which(jobs: Jobs, database: Path) -> None:
    async with (
        Service(jobs.app, port=0, database=database) as service,
        aiohttp.ClientSession() as http,
        http.post(f"{service.url}/tasks", json={"action": "add", "data": {"a": 1, "b": 2}}) as post,
    ):
        accepted = await post.json()
        task = await service.wait(accepted["id"])
        host, port = service.address

    assert post.status == 202
    assert task.result == "3"
    assert service.url == f"http://{host}:{port}"
    assert host == "127.0.0.1"
    assert port > 0


async def test_without_http_nothing_listens(jobs: Jobs, database: Path, events: EventLog) -> None:
    async with quiet(jobs, database) as service:
        task = await service.wait(await jobs.add.enqueue(a=1, b=2))
        with pytest.raises(RuntimeError, match="does not listen"):
            _ = service.url

    assert task.status == "completed"
    assert events.select("gateway_listening") == []


async def test_an_unknown_task_is_not_waited_for(jobs: Jobs, database: Path) -> None:
    async with quiet(jobs, database) as service:
        with pytest.raises(TaskNotFound):
            await service.wait("01a200e2-b230-7ed7-a593-a8c9d55b1670")


async def test_a_wait_outlasts_the_death_of_the_database_actor(jobs: Jobs, database: Path) -> None:
    async with quiet(jobs, database) as service:
        waiting = asyncio.create_task(service.wait(await jobs.holding()))
        actor = service.system.address("database").whereis()
        assert actor is not None
        actor.kill()
        await actor.ended()
        jobs.gate.set()
        task = await asyncio.wait_for(waiting, TIMEOUT_S)

    assert task.status == "completed"


async def test_a_wait_is_woken_by_the_end_of_the_task_and_polls_nothing(
    jobs: Jobs, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quiet(jobs, database) as service:
        task_id = await jobs.holding()
        read = Reads(service, monkeypatch)
        waiting = [asyncio.create_task(service.wait(task_id)) for _ in range(100)]
        await read.until(len(waiting))
        jobs.gate.set()
        async with asyncio.timeout(TIMEOUT_S):
            tasks = await asyncio.gather(*waiting)

    assert {task.status for task in tasks} == {"completed"}
    assert read.count == 2 * len(waiting)  # as it began, and after the event


async def test_a_wait_ends_with_the_service(
    jobs: Jobs, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with quiet(jobs, database, drain_s=0.0) as service:
        read = Reads(service, monkeypatch)
        waiting = asyncio.create_task(service.wait(await jobs.holding()))
        await read.until(1)

    with pytest.raises(RuntimeError, match="does not run"):
        await asyncio.wait_for(waiting, TIMEOUT_S)


async def test_a_task_is_waited_for_on_another_loop(jobs: Jobs, database: Path) -> None:
    async with quiet(jobs, database) as service:
        task_id = await jobs.add.enqueue(a=1, b=2)
        task = await asyncio.to_thread(asyncio.run, service.wait(task_id))

    assert task.result == "3"


class Reads:
    """Counts how often a service reads a task."""

    def __init__(self, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self._read = service.task
        self._counted = asyncio.Condition()
        monkeypatch.setattr(service, "task", self._counting)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(TIMEOUT_S), self._counted:
            await self._counted.wait_for(lambda: self.count >= count)

    async def _counting(self, task_id: str) -> Task:
        task = await self._read(task_id)
        async with self._counted:
            self.count += 1
            self._counted.notify_all()
        return task


async def test_services_with_files_and_apps_of_their_own_run_beside_each_other(
    tmp_path: Path,
) -> None:
    one, other = Jobs(), Jobs()

    async with (
        Service(one.app, port=0, database=tmp_path / "one.db") as first,
        Service(other.app, port=0, database=tmp_path / "other.db") as second,
    ):
        tasks = [
            await first.wait(await one.add.enqueue(a=1, b=1)),
            await second.wait(await other.add.enqueue(a=2, b=2)),
        ]
        with pytest.raises(TaskNotFound):
            await second.task(tasks[0].id)

    assert [task.result for task in tasks] == ["2", "4"]


async def test_the_next_service_goes_on_with_the_same_file_and_app(
    jobs: Jobs, database: Path
) -> None:
    for n in range(3):
        async with quiet(jobs, database) as service:
            task = await service.wait(await jobs.add.enqueue(a=n, b=0))
        assert task.result == str(n)


async def test_an_app_named_by_its_module_runs_handlers_in_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "process_jobs.py").write_text(
        "import os\n"
        "from taskqueue import App, Context\n"
        "app = App()\n"
        "@app.task('pid', executor='process')\n"
        "def pid(ctx: Context) -> int:\n"
        "    return os.getpid()\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    async with Service("process_jobs:app", http=False, consumers=1) as service:
        from process_jobs import pid  # type: ignore[import-not-found]  # noqa: PLC0415 - made above

        task = await service.wait(await pid.enqueue())

    assert task.status == "completed"
    assert task.result != str(os.getpid())


# --- the block is left --------------------------------------------------------------------------


async def test_leaving_the_block_lets_a_running_handler_finish_and_keeps_what_waits(
    jobs: Jobs, database: Path, events: EventLog
) -> None:
    async def block() -> tuple[str, str]:
        async with quiet(jobs, database):
            return await jobs.holding(), await jobs.add.enqueue(a=1, b=2)

    leaving = asyncio.create_task(block())
    await events.wait_for("service_stopping", timeout_s=TIMEOUT_S)
    jobs.gate.set()
    running, waiting = await leaving

    assert await later(jobs, database, running) == ("completed", 1)
    assert await later(jobs, database, waiting) == ("queued", 0)


async def test_a_handler_that_runs_longer_than_the_drain_is_cut_and_gets_its_attempt_back(
    jobs: Jobs, database: Path
) -> None:
    async with quiet(jobs, database, drain_s=0.05):
        running = await jobs.holding()

    assert await later(jobs, database, running) == ("queued", 0)


async def test_an_error_of_the_block_stops_the_service_in_order_and_goes_on(
    jobs: Jobs, database: Path, events: EventLog
) -> None:
    async def block() -> None:
        async with quiet(jobs, database):
            held.append(await jobs.holding())
            raise ValueError("mine")

    held: list[str] = []
    failing = asyncio.create_task(block())
    await events.wait_for("service_stopping", timeout_s=TIMEOUT_S)
    jobs.gate.set()

    with pytest.raises(ValueError, match="mine"):
        await failing
    assert await later(jobs, database, held[0]) == ("completed", 1)


async def test_a_cancelled_block_drains_and_a_second_cancellation_cuts_the_handlers(
    jobs: Jobs, database: Path, events: EventLog
) -> None:
    async def block() -> None:
        async with quiet(jobs, database, drain_s=600):
            held.append(await jobs.holding())
            waits.set()
            await asyncio.Event().wait()

    held: list[str] = []
    waits = asyncio.Event()
    running = asyncio.create_task(block())
    await asyncio.wait_for(waits.wait(), TIMEOUT_S)
    running.cancel()
    await events.wait_for("service_stopping", timeout_s=TIMEOUT_S)
    drains = not running.done()
    running.cancel()
    await asyncio.wait([running], timeout=TIMEOUT_S)

    assert drains
    assert running.cancelled()
    assert await later(jobs, database, held[0]) == ("queued", 0)


async def test_a_time_limit_around_the_block_holds(jobs: Jobs, database: Path) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.0), quiet(jobs, database):
            await asyncio.Event().wait()

    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task


async def test_after_the_block_nothing_is_accepted_and_nothing_is_left(
    jobs: Jobs, database: Path
) -> None:
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())

    async with Service(jobs.app, port=0, database=database) as service:
        await service.wait(await jobs.add.enqueue(a=1, b=2))
        address = service.address

    assert asyncio.all_tasks() == tasks
    async with asyncio.timeout(TIMEOUT_S):
        while set(threading.enumerate()) - threads:  # noqa: ASYNC110 - a thread's end is no event
            await asyncio.sleep(0.01)
    assert children_of_this() == []
    with pytest.raises(NotRunning):
        await jobs.add.enqueue(a=1, b=2)
    with pytest.raises(RuntimeError, match="does not run"):
        await service.task("any")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(*address)


def children_of_this() -> list[int]:
    return list(children_of(os.getpid()))


# --- the tree gives up --------------------------------------------------------------------------


async def test_a_tree_that_gives_up_cancels_the_block_which_raises_why(
    jobs: Jobs, database: Path
) -> None:
    seen: list[BaseException] = []

    async def block() -> None:
        async with quiet(jobs, database) as service:
            root = service.system.address("root").whereis()
            assert root is not None
            root.kill()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as error:
                seen.append(error)
                raise

    with pytest.raises(ServiceFailed, match=r"the supervision tree ended \(killed\)"):
        await block()

    assert len(seen) == 1
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]  # a test is a task
    await asyncio.sleep(0)  # no cancellation is left over


async def test_a_tree_that_gives_up_while_it_drains_is_told_too(
    jobs: Jobs, database: Path, events: EventLog
) -> None:
    async def block() -> None:
        async with quiet(jobs, database) as service:
            await jobs.holding()
            services.append(service)

    services: list[Service] = []
    stopping = asyncio.create_task(block())
    await events.wait_for("service_stopping", timeout_s=TIMEOUT_S)
    root = services[0].system.address("root").whereis()
    assert root is not None
    root.kill()

    with pytest.raises(ServiceFailed, match="while it was being stopped"):
        await stopping


# --- it does not start --------------------------------------------------------------------------


async def test_a_second_service_on_the_same_file_is_refused_and_the_first_goes_on(
    jobs: Jobs, database: Path
) -> None:
    async with quiet(jobs, database) as service:
        with pytest.raises(ServiceNotStarted) as refused:
            await quiet(Jobs(), database).__aenter__()
        task = await service.wait(await jobs.add.enqueue(a=1, b=2))

    holds = f"database: another service in this process holds {database}"
    assert [str(fault) for fault in refused.value.faults] == [holds]
    assert task.status == "completed"


async def test_an_app_belongs_to_one_service_at_a_time(jobs: Jobs, tmp_path: Path) -> None:
    async with quiet(jobs, tmp_path / "one.db") as service:
        with pytest.raises(ServiceNotStarted, match="app: another Service runs it"):
            await quiet(jobs, tmp_path / "other.db").__aenter__()
        task = await service.wait(await jobs.add.enqueue(a=1, b=2))

    assert task.status == "completed"


async def test_all_that_is_in_the_way_is_named_at_once_and_nothing_is_left(
    jobs: Jobs, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("no folder")
    tasks, threads = asyncio.all_tasks(), set(threading.enumerate())
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(ServiceNotStarted) as refused:
            await Service(
                jobs.app, port=port, database=tmp_path / "plain" / "tasks.db"
            ).__aenter__()

    assert [str(fault) for fault in refused.value.faults] == [
        f"port: another program listens on 127.0.0.1:{port}; stop it, or choose another port",
        f"database: {tmp_path}/plain is a file, not a folder",
    ]
    assert (asyncio.all_tasks(), set(threading.enumerate())) == (tasks, threads)
    with pytest.raises(NotRunning):
        await jobs.add.enqueue(a=1, b=2)


@pytest.fixture
def letter(database: Path) -> Path:
    database.write_text("This is a letter, not a database. " * 100)
    return database


async def test_a_database_that_cannot_be_used_is_refused_in_its_own_words(
    jobs: Jobs, letter: Path
) -> None:
    with pytest.raises(ServiceNotStarted) as refused:
        await quiet(jobs, letter).__aenter__()

    [fault] = refused.value.faults
    assert str(fault).startswith(f"database: {letter} is not a usable database")
    assert children_of_this() == []


def test_settings_are_checked_wherever_they_come_from(jobs: Jobs) -> None:
    with pytest.raises(ConfigError) as refused:
        Service(jobs.app, Settings(slots=0), consumer=1, port=-1, retry={"max_s": "long"})

    assert [fault.field for fault in refused.value.faults] == [
        "port",
        "slots",
        "retry.max_s",
        "consumer",
    ]


def test_single_settings_lie_over_the_object_in_the_spelling_of_the_file(jobs: Jobs) -> None:
    settings = Settings(consumers=3, retry=RetryPolicy(initial_s=2.0))

    service = Service(jobs.app, settings, drain_s="1m", queues={"mail": 2}, database="a/tasks.db")

    assert (service.settings.consumers, service.settings.drain_s) == (3, 60.0)
    assert service.settings.retry.initial_s == 2.0
    assert service.settings.queues == {"mail": 2}
    assert str(service.settings.database) == str(Path.cwd() / "a/tasks.db")


async def test_a_service_runs_once(jobs: Jobs, database: Path) -> None:
    async with quiet(jobs, database) as service:
        with pytest.raises(RuntimeError, match="runs once"):
            await service.__aenter__()


async def test_a_start_that_is_cancelled_leaves_nothing(
    jobs: Jobs, database: Path, events: EventLog
) -> None:
    tasks = asyncio.all_tasks()

    starting = asyncio.create_task(quiet(jobs, database).__aenter__())
    await events.wait_for("child_started", child_id="database")
    starting.cancel()
    await asyncio.wait([starting], timeout=TIMEOUT_S)

    assert starting.cancelled()
    assert asyncio.all_tasks() == tasks
    assert children_of_this() == []
    async with quiet(jobs, database) as service:
        task = await service.wait(await jobs.add.enqueue(a=1, b=2))
    assert task.status == "completed"


# --- the program around it ----------------------------------------------------------------------


def whole_process() -> dict[str, Any]:
    """What belongs to the program and not to a library in it."""
    return {
        "signals": {number: signal.getsignal(number) for number in signal.Signals},
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "gc": (gc.get_threshold(), gc.isenabled(), gc.get_freeze_count()),
        "descriptors": resource.getrlimit(resource.RLIMIT_NOFILE),
        "hooks": (sys.excepthook, threading.excepthook, sys.unraisablehook, sys.path[:]),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "logging": (logging.root.level, logging.root.handlers[:], logging.lastResort),
        "structlog": {**structlog.get_config()},
        "warnings": warnings.filters[:],
        "loop": (
            asyncio.get_running_loop().get_exception_handler(),
            asyncio.get_running_loop().get_task_factory(),
            asyncio.get_running_loop().time,
        ),
    }


async def test_the_program_around_it_stays_as_it_is(jobs: Jobs, database: Path) -> None:
    before = whole_process()

    async with Service(jobs.app, port=0, database=database) as service:
        await service.wait(await jobs.add.enqueue(a=1, b=2))
        meanwhile = whole_process()

    assert meanwhile == before
    assert whole_process() == before


def test_the_settings_of_the_command_are_read_when_the_program_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "taskqueue.toml").write_text("consumers = 7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TASKQUEUE_SLOTS", "3")

    plain, asked = Service(App()), Service(App(), load())

    assert (plain.settings.consumers, plain.settings.slots) == (2, "auto")
    assert (asked.settings.consumers, asked.settings.slots) == (7, 3)
