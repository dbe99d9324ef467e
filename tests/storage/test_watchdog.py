"""A process that does not answer is reported, then killed: how soon depends on what it does."""

import asyncio
import itertools
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator

import pytest

from taskqueue.storage.sqlite.connections import watchdog
from taskqueue.storage.sqlite.connections.watchdog import (
    DEATH_TICKS,
    REPORT_TICKS,
    TICK_S,
    Action,
    Activity,
    Watchdog,
    activity_of,
    decide,
)

PATIENCE_S = 20.0


@pytest.mark.parametrize("activity", Activity)
def test_every_silence_is_reported_within_two_seconds_and_ends_in_a_kill(
    activity: Activity,
) -> None:
    actions = [
        decide(silent, activity, killed_for=None, is_opening=False)
        for silent in range(1, activity.patience + 1)
    ]

    assert actions.index(Action.REPORT) * TICK_S < 1.5
    assert actions[-1] is Action.KILL
    assert set(actions[:-1]) <= {Action.WAIT, Action.REPORT}


def test_who_waits_for_the_disk_is_given_longer_than_a_slow_sync_takes() -> None:
    slow_sync_s = 7.0

    action = decide(int(slow_sync_s / TICK_S), Activity.WAITING, killed_for=None, is_opening=False)

    assert action is Action.REPORT


@pytest.mark.parametrize("activity", Activity)
def test_a_process_that_outlives_its_kill_is_told_apart_and_not_killed_again(
    activity: Activity,
) -> None:
    def decided(killed_for: int) -> Action:
        return decide(1000, activity, killed_for=killed_for, is_opening=False)

    assert decided(0) is Action.WAIT
    assert decided(DEATH_TICKS) is Action.REPORT_STUCK


def test_while_the_file_is_opened_only_a_stopped_process_is_killed() -> None:
    def decided(activity: Activity) -> Action:
        return decide(10_000, activity, killed_for=None, is_opening=True)

    assert [decided(each) for each in Activity] == [Action.KILL, Action.WAIT, Action.WAIT]


def test_one_with_a_limit_of_its_own_is_reported_if_it_hangs_and_killed_by_its_owner() -> None:
    def decided(activity: Activity) -> Action:
        return decide(10_000, activity, killed_for=None, is_opening=False, has_limit=True)

    assert [decided(each) for each in Activity] == [Action.REPORT, Action.WAIT, Action.REPORT]


def test_what_a_process_does_is_what_the_kernel_says() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        os.kill(process.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        stopped = activity_of(process.pid)
        process.kill()

    assert stopped is Activity.STOPPED
    assert activity_of(os.getpid()) is Activity.COMPUTING


class Process:
    """One that answers nothing, and notes what is done to it."""

    def __init__(self) -> None:
        self.reports: asyncio.Queue[str] = asyncio.Queue()
        self.killed = asyncio.Event()
        self.pings = 0
        self.idle = False
        self.watchdog = Watchdog(
            os.getpid(),
            is_idle=lambda: self.idle,
            ping=self._ping,
            kill=self.killed.set,
            report=self.reports.put_nowait,
            has_limit=False,
        )
        self.watchdog.is_opening = False

    def _ping(self) -> None:
        self.pings += 1
        self.idle = False


@pytest.fixture
async def process(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Process]:
    monkeypatch.setattr(watchdog, "TICK_S", 0.001)
    process = Process()
    process.watchdog.start()
    yield process
    process.watchdog.stop()


async def test_a_process_that_no_kill_ends_is_reported_as_a_stuck_disk(process: Process) -> None:
    async with asyncio.timeout(PATIENCE_S):
        silence = await process.reports.get()
        await process.killed.wait()
        stuck = await process.reports.get()

    assert silence.startswith("the process that writes ")
    assert stuck.startswith("the disk is stuck: ")
    assert process.reports.empty()


async def test_an_idle_process_is_asked_for_an_answer(process: Process) -> None:
    process.idle = True

    async with asyncio.timeout(PATIENCE_S):
        await process.reports.get()

    assert process.pings == 1


async def test_a_process_that_answers_now_and_then_is_left_alone(process: Process) -> None:
    for _ in range(4 * REPORT_TICKS):
        process.watchdog.answers += 1
        await asyncio.sleep(0.001)

    assert process.reports.empty()
    assert not process.killed.is_set()


async def test_a_process_seen_between_two_waits_is_one_that_waits(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = itertools.chain([Activity.WAITING], itertools.repeat(Activity.COMPUTING))
    monkeypatch.setattr(watchdog, "activity_of", lambda _: next(seen))

    async with asyncio.timeout(PATIENCE_S):
        reason = await process.reports.get()

    assert "is waiting for the disk" in reason


async def test_a_busy_loop_reports_a_silence_after_fewer_ticks_that_come_late(
    process: Process,
) -> None:
    turns_of_a_tick = 2  # one in which it is set, and the next one, which is late
    ticks = 4

    for _ in range(ticks * turns_of_a_tick):
        time.sleep(0.003)  # noqa: ASYNC251 - it is the busy loop
        await asyncio.sleep(0)

    assert ticks < REPORT_TICKS
    assert process.reports.qsize() == 1
