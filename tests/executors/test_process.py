"""The process executor: what comes back from a process, how one ends, and what it takes along."""

import asyncio
import contextlib
import errno
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from taskqueue import App, Context
from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.errors import ConfigError
from taskqueue.executors.attempt import attempt
from taskqueue.executors.process import server as server_module
from taskqueue.executors.process.pool import START_RETRY_S, ProcessExecutor
from taskqueue.rules.encoding import MAX_BYTES
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import (
    Cancelled,
    Crashed,
    Failed,
    Outcome,
    Rejected,
    Snoozed,
    Succeeded,
    TimedOut,
)
from taskqueue.runtime.host import Host
from taskqueue.testing.claims import claimed
from taskqueue.testing.events import EventLog
from tests.executors.processes import echo
from tests.executors.procs import (
    WAIT_S,
    gone,
    gone_before_the_next_turn,
    is_there,
    noted,
    parent,
    state,
    until,
)
from tests.recycles import storm

APP = "tests.executors.processes:app"


class Pool:
    """An executor of the test app, and tasks for it."""

    def __init__(self, policy: ProcessPolicy, slots: int, app: App | None = None) -> None:
        self.app = app or load_app(APP)
        self.executor = ProcessExecutor(self.app, slots, policy)

    async def run(self, action: str, *, max_result_bytes: int = MAX_BYTES, **data: Any) -> Any:
        task = claimed(self.app.prepare(action, msgspec.json.encode(data)), attempt=3)
        executors = {ExecutorKind.PROCESS: self.executor}
        return await attempt(self.app, task, executors, max_result_bytes=max_result_bytes)

    async def result(self, action: str, **data: Any) -> Any:
        outcome = await self.run(action, **data)
        assert isinstance(outcome, Succeeded), outcome
        return msgspec.json.decode(outcome.result)


MakePool = Callable[..., Pool]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    made: list[Pool] = []

    def make(slots: int = 1, app: App | None = None, **policy: Any) -> Pool:
        made.append(Pool(ProcessPolicy(**policy), slots, app))
        return made[-1]

    yield make
    for each in made:
        each.executor.close()


@pytest.fixture
def pool(make_pool: MakePool) -> Pool:
    return make_pool()


# --- what comes back ------------------------------------------------------------------------------


async def test_a_handler_of_either_kind_runs_in_a_process_that_is_kept(pool: Pool) -> None:
    pids = {await pool.result("pid") for _ in range(3)}
    pid, loop = await pool.result("async_pid")

    assert pids == {pid}
    assert pid != os.getpid()
    assert await pool.result("async_pid") == [pid, loop]  # on a loop that is kept as well


async def test_a_handler_in_a_process_may_do_without_the_context(pool: Pool) -> None:
    assert await pool.result("without_context", number=4) == 8


@pytest.mark.parametrize("sets_path", [False, True])
async def test_a_handler_that_leaves_nothing_to_import_harms_no_later_one(
    pool: Pool, sets_path: bool
) -> None:
    pid = await pool.result("unload", sets_path=sets_path)

    assert await pool.result("import_late") == [pid, "colorsys", "Cancel"]


@pytest.mark.parametrize("path", [None, []])
async def test_a_handler_on_the_loop_that_takes_the_search_path_away_harms_no_process(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, path: list[str] | None
) -> None:
    monkeypatch.setattr(sys, "path", path)  # before the first process is started

    assert await pool.result("without_context", number=4) == 8


async def test_false_is_a_result_where_the_action_says_so(pool: Pool) -> None:
    assert await pool.result("is_there") is False


async def test_a_def_may_run_a_loop_of_its_own(pool: Pool) -> None:
    assert await pool.result("own_loop") == 7


async def test_an_async_def_may_follow_a_def_and_the_other_way_round(pool: Pool) -> None:
    kinds = ["async_pid", "pid", "own_loop", "async_pid", "async_pid", "own_loop", "async_pid"]

    ends = [await pool.result(kind) for kind in kinds]

    loops = [end for end, kind in zip(ends, kinds, strict=True) if kind == "async_pid"]
    assert loops == [loops[0]] * 4


async def test_a_limit_of_an_async_def_in_a_process_is_its_own(pool: Pool) -> None:
    outcomes = [await pool.run("own_limit") for _ in range(2)]

    assert outcomes == [Succeeded(result='"in time"')] * 2


async def test_an_async_def_that_cancels_itself_affects_only_its_own_attempt(pool: Pool) -> None:
    pid, _ = await pool.result("async_pid")

    caught = await pool.run("cancel_itself", catch=True)
    raised = await pool.run("cancel_itself", catch=False)

    assert caught == Succeeded(result='"done"')
    assert isinstance(raised, Failed)
    assert raised.error.endswith("CancelledError")
    assert (await pool.result("async_pid"))[0] == pid


async def test_a_result_above_the_limit_is_refused_in_a_process_too(pool: Pool) -> None:
    fits = await pool.run("echo", max_result_bytes=6, text="four")
    does_not = await pool.run("echo", max_result_bytes=6, text="fives")

    assert fits == Succeeded(result='"four"')
    assert does_not == Rejected(
        reason='result has 7 bytes; the limit is 6 (max_result_bytes); it begins: "fives"'
    )


async def test_a_cancellation_that_comes_too_late_harms_no_later_attempt(pool: Pool) -> None:
    await pool.result("cancelled_later")

    pid, _ = await pool.result("async_pid")

    assert pool.executor.pids == (pid,)


async def test_what_an_attempt_begins_and_does_not_wait_for_has_its_first_turn(
    pool: Pool, tmp_path: Path
) -> None:
    await pool.result("begin", into=str(tmp_path / "begun"))

    assert (tmp_path / "begun").exists()


async def test_a_payload_and_a_result_may_have_one_mebibyte(pool: Pool) -> None:
    text = "ä" * (1 << 18)

    assert await pool.result("echo", text=text) == text
    assert await pool.run("echo", text="x" * ((1 << 20) - 100)) is not None


async def test_a_handler_knows_its_attempt(pool: Pool) -> None:
    seen = await pool.result("context")

    assert seen == {"id": seen["id"], "attempt": 3, "key": seen["id"]}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("retry", Failed(error="busy", retry_in_s=3)),
        ("snooze", Snoozed(delay_s=3)),
        ("cancel", Cancelled(reason="order gone")),
    ],
)
async def test_a_verdict_comes_back(pool: Pool, name: str, outcome: Outcome) -> None:
    assert await pool.run("verdict", name=name) == outcome


async def test_a_rejection_comes_back_with_its_place(pool: Pool) -> None:
    outcome = await pool.run("verdict", name="reject")

    assert isinstance(outcome, Rejected)
    assert outcome.reason == "no such user"
    assert "processes.py" in (outcome.traceback or "")


async def test_an_exception_comes_back_with_the_traceback_of_the_handler_alone(pool: Pool) -> None:
    outcome = await pool.run("follow", fails=True)

    assert isinstance(outcome, Failed)
    assert outcome.error == "ValueError: no such size"
    lines = (outcome.traceback or "").splitlines()
    assert lines[1].endswith("in follow")
    assert sum("File" in line for line in lines) == 1


async def test_returning_false_is_a_failure(pool: Pool) -> None:
    assert await pool.run("decline") == Failed(error="returned False")


async def test_follow_ups_come_with_the_result(pool: Pool) -> None:
    outcome = await pool.run("follow", fails=False)

    [follow_up] = outcome.follow_ups
    assert outcome.result == f'"{follow_up.id}"'
    assert follow_up.payload == echo.prepare(text="next").payload


async def test_there_are_no_more_processes_than_slots(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)

    pids = await asyncio.gather(*(pool.result("pid") for _ in range(20)))

    assert len(set(pids)) <= 2


async def test_there_are_as_many_processes_as_slots_now(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(slots=1)

    pool.executor.resize(3)
    three = await asyncio.gather(
        *(pool.result("meet", folder=str(tmp_path), people=3) for _ in range(3))
    )
    pool.executor.resize(1)
    last = {await pool.result("pid") for _ in range(3)}

    assert len(set(three)) == 3
    assert len(last) == 1
    assert last < set(three)
    await gone(*(set(three) - last))


async def test_a_busy_process_that_is_too_many_ends_after_its_handler(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(slots=2)
    meetings = [
        asyncio.create_task(pool.result("meet", folder=str(tmp_path), people=3)) for _ in range(2)
    ]
    await until(lambda: len(list(tmp_path.iterdir())) == 2)

    pool.executor.resize(1)
    (tmp_path / "the third").touch()
    two = set(await asyncio.gather(*meetings))
    last = {await pool.result("pid") for _ in range(3)}

    assert len(last) == 1
    assert last < two
    await gone(*(two - last))


async def test_a_process_has_nothing_open_that_is_the_services(pool: Pool, tmp_path: Path) -> None:
    with (tmp_path / "tasks.db.lock").open("w") as lock:
        os.set_inheritable(lock.fileno(), True)

        found = await pool.result("open_files")

    assert not any(name.endswith("tasks.db.lock") for name in found)
    sockets = [name for name in found if name.startswith("socket:")]
    assert len(sockets) == 4  # its pipe, its line reporter, and two to wake its loop


# --- crashes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "data", "how"),
    [
        ("signal", {"number": 11}, "killed by signal 11 (SIGSEGV)"),
        ("signal", {"number": 9}, "killed by signal 9 (SIGKILL)"),
        ("exit", {"code": 3, "at_once": True}, "exited with code 3"),
        ("exit", {"code": 0, "at_once": True}, "exited with code 0"),
    ],
)
async def test_the_end_of_a_process_is_a_crash_that_says_how_it_ended(
    pool: Pool, action: str, data: dict[str, Any], how: str
) -> None:
    outcome = await pool.run(action, **data)

    assert isinstance(outcome, Crashed)
    assert outcome.error.startswith(f"process {how} after 0.")
    mib = int(outcome.error.partition("its memory was ")[2].removesuffix(" MiB at most"))
    assert 5 < mib < 500
    assert await pool.result("pid")


async def test_what_nobody_survives_is_a_crash_with_its_place(pool: Pool) -> None:
    before = await pool.result("pid")

    outcome = await pool.run("exit", code=3)

    assert isinstance(outcome, Crashed)
    assert outcome.error == "SystemExit: 3"
    assert "in leave" in (outcome.traceback or "")
    assert await pool.result("pid") != before


async def test_a_crash_leaves_the_other_processes_alone(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(slots=2)
    busy = asyncio.create_task(pool.run("spin", into=str(tmp_path / "pid")))
    await noted(tmp_path / "pid")

    crashed = await pool.run("signal", number=9)

    assert isinstance(crashed, Crashed)
    assert isinstance(await busy, TimedOut)


async def test_an_idle_process_that_is_killed_costs_no_task_anything(pool: Pool) -> None:
    first = await pool.result("pid")

    os.kill(first, signal.SIGKILL)
    await gone(first)

    assert await pool.result("pid") != first


async def test_a_task_comes_before_the_end_of_an_idle_process_is_heard(pool: Pool) -> None:
    first = await pool.result("pid")

    os.kill(first, signal.SIGKILL)
    gone_before_the_next_turn(first)

    assert await pool.result("pid") != first


async def test_the_end_of_the_fork_server_is_a_crash_of_what_ran_below_it(
    pool: Pool, tmp_path: Path
) -> None:
    [*_, child, grandchild] = await pool.result(
        "family", into=str(tmp_path / "pids"), then="return"
    )

    outcome = await pool.run("kill_server")

    assert isinstance(outcome, Crashed)
    assert outcome.error.startswith("process ended with its fork server after ")
    await gone(child, grandchild)
    assert await pool.result("pid")


async def test_a_process_that_closes_its_pipe_is_killed(pool: Pool, tmp_path: Path) -> None:
    outcome = await pool.run("close_pipe", into=str(tmp_path / "pid"))

    assert isinstance(outcome, Crashed)
    await gone(*await noted(tmp_path / "pid"))
    assert await pool.result("pid")


async def test_a_handler_that_forks_comes_back_once(pool: Pool) -> None:
    child = await pool.result("fork")

    await until(lambda: not is_there(child) or state(child) == "Z")
    assert child > 0
    assert await pool.result("pid") != child


# --- limits and cancellations ---------------------------------------------------------------------


@pytest.mark.parametrize("action", ["spin", "sleep_in_c", "deaf"])
async def test_a_handler_past_its_limit_is_killed_whatever_it_does(
    pool: Pool, tmp_path: Path, action: str
) -> None:
    await pool.result("pid")
    began = time.monotonic()

    outcome = await pool.run(action, into=str(tmp_path / "pid"))
    took_s = time.monotonic() - began

    assert outcome == TimedOut(after_s=0.5)
    assert took_s >= 0.5
    assert took_s < 10
    [pid] = await noted(tmp_path / "pid")
    assert not is_there(pid)  # it has ended before anybody hears of it
    assert await pool.result("pid") != pid


async def test_a_cancelled_handler_is_killed_with_all_that_it_started(
    pool: Pool, tmp_path: Path
) -> None:
    running = asyncio.create_task(pool.run("family", into=str(tmp_path / "pids"), then="wait"))
    worker, *family = await noted(tmp_path / "pids")

    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
    assert not is_there(worker)
    await gone(*family)
    assert await pool.result("pid") != worker


async def test_a_stopped_fork_server_keeps_nobody_from_being_killed(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(start_s=5.0)
    while isinstance(await pool.run("pid"), Snoozed):
        pass  # on a busy machine a start takes longer than it may here
    running = asyncio.create_task(pool.run("spin", into=str(tmp_path / "pid")))
    [pid] = await noted(tmp_path / "pid")
    os.kill(parent(pid), signal.SIGSTOP)

    assert await running == TimedOut(after_s=0.5)

    await until(lambda: state(pid) == "Z")  # dead, though nobody can reap it yet
    assert await pool.run("pid") == Snoozed(delay_s=START_RETRY_S)
    while isinstance(outcome := await pool.run("pid"), Snoozed):
        pass  # see above
    assert isinstance(outcome, Succeeded)  # in a process of another fork server
    await gone(pid)


# --- families, orphans and ends -------------------------------------------------------------------


async def test_grandchildren_die_with_a_process_that_is_killed(pool: Pool, tmp_path: Path) -> None:
    outcome = await pool.run("family", into=str(tmp_path / "pids"), then="die")

    assert isinstance(outcome, Crashed)
    await gone(*await noted(tmp_path / "pids"))


async def test_an_orphan_does_not_stay_a_zombie(pool: Pool) -> None:
    orphan = await pool.result("leave_orphan")

    await gone(orphan)


async def test_closing_ends_everything_even_what_has_a_session_of_its_own(
    pool: Pool, tmp_path: Path
) -> None:
    family = await pool.result("family", into=str(tmp_path / "pids"), then="return")
    escaped = await pool.result("escape")
    server = parent(family[0])

    pool.executor.close()
    pool.executor.close()

    await gone(server, escaped, *family)


async def test_processes_end_with_the_thread_that_they_belong_to() -> None:
    pids: list[int] = []
    pools: list[Pool] = []

    async def use_and_forget() -> None:
        pools.append(Pool(ProcessPolicy(), slots=1))
        pid = await pools[0].result("pid")
        pids.extend((pid, parent(pid)))

    host = Host.launch("forgetful")  # as that of a consumer
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(use_and_forget(), host.loop))
    host.stop()
    await host.join(WAIT_S)

    await gone(*pids)


def test_processes_end_with_a_service_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import asyncio
from tests.executors.test_process import Pool, ProcessPolicy

pool = Pool(ProcessPolicy(), slots=1)
asyncio.run(pool.run("family", into={str(tmp_path / "pids")!r}, then="wait"))
"""
    root = Path(__file__).parents[2]
    service = subprocess.Popen([sys.executable, "-c", script], cwd=root)
    pids = asyncio.run(noted(tmp_path / "pids"))

    service.kill()
    service.wait()

    asyncio.run(gone(*pids))


# --- replacing ------------------------------------------------------------------------------------


async def test_a_process_is_replaced_after_so_many_tasks(
    make_pool: MakePool, events: EventLog
) -> None:
    pool = make_pool(max_tasks=2)

    pids = [await pool.result("pid") for _ in range(6)]

    assert pids[0::2] == pids[1::2]
    assert len(set(pids)) == 3
    recycled = await events.wait_for("worker_recycled", timeout_s=WAIT_S)
    assert (recycled["pid"], recycled["tasks"], recycled["successor"]) == (pids[0], 2, pids[2])
    await gone(*pids)


async def test_a_process_is_replaced_above_its_memory_mark(make_pool: MakePool) -> None:
    pool = make_pool(max_memory_mb=150)

    small = [await pool.result("grow", mib=1) for _ in range(2)]
    large = await pool.result("grow", mib=200)
    after = await pool.result("grow", mib=1)

    assert [*small, large] == [large] * 3
    assert after != large
    await gone(large)


async def test_nobody_is_replaced_unless_asked_for(pool: Pool, events: EventLog) -> None:
    await pool.result("grow", mib=200)

    assert len({await pool.result("pid") for _ in range(50)}) == 1
    assert events.select("worker_recycled") == []


async def test_what_a_process_has_started_goes_when_it_is_replaced(
    make_pool: MakePool, tmp_path: Path
) -> None:
    pool = make_pool(max_tasks=1)

    family = await pool.result("family", into=str(tmp_path / "pids"), then="return")

    await gone(*family)


@pytest.mark.long
async def test_two_hundred_replacements_leave_nothing_behind() -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201

    report = await storm(200, seed)

    assert report.is_clean, report


# --- starting -------------------------------------------------------------------------------------


def test_an_app_without_a_name_is_refused_with_the_way_out() -> None:
    mine = App()

    @mine.task("work", executor="process")
    def work(ctx: Context) -> None: ...

    with pytest.raises(ConfigError, match=r"load it with --app package\.module:app"):
        ProcessExecutor(mine, 1)


def test_an_app_without_handlers_for_processes_needs_no_name() -> None:
    ProcessExecutor(App(), 1).close()


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Shop":
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return Shop(tmp_path)


class Shop:
    """A module with an app that can be imported, until something else is written into it."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / f"shop_{folder.name}.py"
        self.app = f"{self._file.stem}:app"
        self.write(SHOP)

    def write(self, text: str) -> None:
        self._file.write_text(text)


SHOP = """
from taskqueue import App, Context

app = App()

@app.task("sell", executor="process")
def sell(ctx: Context) -> str:
    return "sold"
"""


async def test_a_task_for_which_no_process_can_be_started_comes_back_later(
    make_pool: MakePool, shop: Shop, events: EventLog
) -> None:
    pool = make_pool(app=load_app(shop.app))

    shop.write("import no_such_module")
    refused = await pool.run("sell")
    shop.write(SHOP)

    assert refused == Snoozed(delay_s=START_RETRY_S)
    [failed] = events.select("worker_start_failed")
    assert "no_such_module" in failed["reason"]
    assert await pool.run("sell") == Succeeded(result='"sold"')


async def test_an_import_that_hangs_is_given_up(
    make_pool: MakePool, shop: Shop, events: EventLog
) -> None:
    pool = make_pool(app=load_app(shop.app), start_s=0.5)

    shop.write("import threading; threading.Event().wait()")
    refused = await pool.run("sell")

    assert refused == Snoozed(delay_s=START_RETRY_S)
    [failed] = events.select("worker_start_failed")
    assert failed["reason"] == f"importing {shop.app} took over 0.5 s"


async def test_a_process_without_a_successor_goes_on(
    make_pool: MakePool, shop: Shop, events: EventLog
) -> None:
    pool = make_pool(app=load_app(shop.app), max_tasks=1)

    shop.write(FORKS_ONCE + SHOP)  # for the fork server alone, not for us
    sold = [await pool.run("sell") for _ in range(3)]

    assert sold == [Succeeded(result='"sold"')] * 3
    reasons = {failed["reason"] for failed in events.select("worker_start_failed")}
    assert reasons == {"cannot fork: Resource temporarily unavailable"}


async def test_without_descriptors_a_process_goes_on_and_a_task_comes_back_later(
    make_pool: MakePool, events: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_pool(max_tasks=1)
    pairs = iter([server_module.socket_pair()])

    def next_pair() -> tuple[socket.socket, socket.socket]:
        for pair in pairs:
            return pair
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(server_module, "socket_pair", next_pair)
    pids = [await pool.result("pid") for _ in range(3)]
    os.kill(pids[0], signal.SIGKILL)
    await gone(pids[0])
    refused = await pool.run("pid")

    assert pids == [pids[0]] * 3
    assert refused == Snoozed(delay_s=START_RETRY_S)
    reasons = {failed["reason"] for failed in events.select("worker_start_failed")}
    assert reasons == {"cannot make a pipe: Too many open files"}


async def test_a_fork_server_that_cannot_be_reached_is_replaced(
    pool: Pool, events: EventLog
) -> None:
    worker = await pool.result("pid")
    server = pool.executor._server
    assert server is not None
    ours = server._control._end.fileno()
    other = os.open(os.devnull, os.O_RDONLY)
    os.dup2(other, ours)  # as where user code closes a number twice
    os.close(other)
    with contextlib.suppress(ProcessLookupError):  # its fork server has ended, and killed it
        os.kill(worker, signal.SIGKILL)
    assert isinstance(await pool.run("pid"), Crashed | Snoozed)

    while isinstance(outcome := await pool.run("pid"), Snoozed):
        pass

    assert isinstance(outcome, Succeeded)
    assert len(events.select("fork_server_started")) == 2


FORKS_ONCE = """
import errno, os

real, forks = os.fork, []

def fork():
    if forks:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    forks.append(1)
    return real()

os.fork = fork
"""


async def test_an_app_that_starts_threads_while_it_is_imported_is_warned_about(
    make_pool: MakePool, shop: Shop, capfd: pytest.CaptureFixture[str]
) -> None:
    pool = make_pool(app=load_app(shop.app))

    shop.write(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, name='early', daemon=True).start()" + SHOP
    )
    sold = await pool.run("sell")

    assert sold == Succeeded(result='"sold"')
    assert re.search(r"fork_server_has_threads.*\bearly\b", capfd.readouterr().err)


async def test_nothing_is_started_once_it_is_closed(pool: Pool, events: EventLog) -> None:
    pool.executor.close()

    assert await pool.run("pid") == Snoozed(delay_s=START_RETRY_S)
    assert events.select("fork_server_started") == []


# --- what a handler does to the loop of its process -----------------------------------------------


@pytest.mark.parametrize(
    "how", ["cancel_all", "cancel_all_later", "stop", "exit_later", "exit_task"]
)
async def test_a_handler_that_ends_the_loop_of_its_process_costs_neither_of_them(
    pool: Pool, how: str
) -> None:
    before = await pool.result("async_pid")

    outcome = await pool.run("misuse_loop", how=how)
    after = await pool.result("async_pid")

    assert isinstance(outcome, Succeeded), outcome
    assert after == before


async def test_a_loop_that_a_handler_has_closed_is_replaced(pool: Pool) -> None:
    before, _ = await pool.result("async_pid")

    await pool.result("close_loop")
    after, _ = await pool.result("async_pid")

    assert after == before


async def test_a_handler_that_breaks_the_loop_of_its_process_costs_its_own_attempt(
    pool: Pool,
) -> None:
    outcome = await pool.run("break_loop")

    assert isinstance(outcome, Crashed)
    assert outcome.error.startswith("process exited with code 1")
    assert await pool.result("async_pid")


@pytest.mark.parametrize("action", ["hide_loop", "show_other_loop"])
async def test_a_handler_that_changes_which_loop_runs_leaves_its_process_as_it_was(
    pool: Pool, action: str
) -> None:
    before, loop = await pool.result("async_pid")

    outcome = await pool.run(action)

    assert isinstance(outcome, Succeeded)
    assert await pool.result("own_loop") == 7
    assert await pool.result("async_pid") == [before, loop]


async def test_an_exception_after_the_end_of_its_handler_costs_no_later_attempt(
    pool: Pool, tmp_path: Path
) -> None:
    into = tmp_path / "raised"

    for _ in range(5):
        worker = await pool.result("raise_late", into=str(into))
        await until(into.exists)
        into.unlink()

        assert await pool.result("pid") == worker
        assert (await pool.result("async_pid"))[0] == worker


# --- what a handler does to the signals of its process --------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGCHLD, signal.SIGALRM, signal.SIGUSR1])
async def test_a_signal_handler_a_timer_and_a_mask_end_with_their_attempt(
    pool: Pool, number: int
) -> None:
    worker = await pool.result("change_signals", number=number, limit_s=60.0)

    after = await pool.result("signals", number=number)

    assert after == [worker, False, 0.0, []]


async def test_what_a_signal_handler_raises_fails_the_attempt_that_has_set_it(pool: Pool) -> None:
    worker = await pool.result("pid")

    outcome = await pool.run("signal_itself")

    assert isinstance(outcome, Failed)
    assert outcome.error == "OSError: a signal of its own"
    assert await pool.result("pid") == worker
