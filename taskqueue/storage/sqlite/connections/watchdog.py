"""Detects that the writer process does not answer, and kills it if that lasts.

    tick ─▶ answers since the last tick? ─▶ no, for 1.25 s ─▶ report: readiness turns red
                                              └─ for 5 s (stopped), 10 s (computing),
                                                 60 s (waiting for the disk) ─▶ SIGKILL
                                                   └─ still there 2 s later ─▶ report: stuck disk

Ticks are counted, not seconds: when the whole service was suspended, the time that it missed says
nothing about its writer. A busy loop ticks late, and such a tick counts for two, because the loop
reads answers that have arrived before it ticks.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from taskqueue.clock import next_beat

TICK_S = 0.25
IDLE_S = 0.5  # between two pings of a process that has nothing else to answer
REPORT_TICKS = 5
LATE_TICKS = 2  # for which one counts at most
DEATH_TICKS = 8  # a killed process that is still there after these waits in the kernel


class Activity(Enum):
    """What a silent process is doing, and after how many ticks it is killed."""

    STOPPED = ("is stopped, by a signal or a debugger", 20)
    COMPUTING = ("has been computing for more than a second", 40)
    # Killing does not make a disk faster, and a slow commit would start again each time.
    WAITING = ("is waiting for the disk", 240)

    def __init__(self, description: str, patience: int) -> None:
        self.description = description
        self.patience = patience


class Action(Enum):
    """What to do about a silent process."""

    WAIT = 1
    REPORT = 2
    KILL = 3
    REPORT_STUCK = 4


# Source: proc_pid_stat(5), field 3.
_ACTIVITIES = {"T": Activity.STOPPED, "t": Activity.STOPPED, "R": Activity.COMPUTING}


def decide(
    silent: int,
    activity: Activity,
    *,
    killed_for: int | None,
    is_opening: bool,
    has_limit: bool = False,
) -> Action:
    """Return what to do about a process that has been silent for so many ticks.

    While it opens the file it may check all of it, for as long as that takes: only a stopped one is
    killed then. `killed_for` counts the ticks since it was killed. One that `has_limit` may compute
    up to that, and its owner kills it.

    >>> decide(5, Activity.WAITING, killed_for=None, is_opening=False)
    <Action.REPORT: 2>
    """
    if killed_for is not None:
        return Action.REPORT_STUCK if killed_for >= DEATH_TICKS else Action.WAIT
    if (is_opening or has_limit) and activity is Activity.COMPUTING:
        return Action.WAIT
    if is_opening and activity is Activity.WAITING:
        return Action.WAIT
    if silent >= activity.patience and (is_opening or not has_limit):
        return Action.KILL
    return Action.REPORT if silent >= REPORT_TICKS else Action.WAIT


def ticks_in(elapsed_s: float) -> int:
    """Return for how many ticks one counts that came so long after the one before.

    >>> ticks_in(0.249), ticks_in(0.6), ticks_in(3600.0)
    (1, 2, 2)
    """
    return max(1, min(int(elapsed_s / TICK_S), LATE_TICKS))


def activity_of(pid: int) -> Activity:
    """Return what the process is doing; where the system does not tell, `COMPUTING`."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return Activity.COMPUTING
    state = stat[stat.rindex(")") + 2]  # the name before it may contain anything
    return _ACTIVITIES.get(state, Activity.WAITING)


class Watchdog:
    """Watches one process on the loop that talks to it, from `start` to `stop`."""

    def __init__(
        self,
        pid: int,
        *,
        is_idle: Callable[[], bool],
        ping: Callable[[], object],
        kill: Callable[[], object],
        report: Callable[[str], object],
        has_limit: bool,
    ) -> None:
        """Make a watchdog.

        Args:
            pid: the process.
            is_idle: tells whether it owes no answer.
            ping: asks an idle one for an answer.
            kill: sends SIGKILL.
            report: is called with the reason, once for each silence and once for a stuck disk.
            has_limit: its owner limits how long it computes, and kills it.
        """
        self._pid = pid
        self._is_idle = is_idle
        self._ping = ping
        self._kill = kill
        self._report = report
        self._has_limit = has_limit
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._answers_seen = 0
        self._silent = 0
        self._ticked_at = 0.0
        self._killed_for: int | None = None
        self._reported: set[Action] = set()  # in this silence
        self._has_waited = False  # in this silence
        self.answers = 0
        """Counted by the connection: one addition for each commit is all that this costs it."""
        self.is_opening = True
        self.killed_because: str | None = None
        """What it was doing when it was killed, if it was."""

    def start(self) -> None:
        """Tick from now on."""
        self._tick_at(self._loop.time() + TICK_S)

    def stop(self) -> None:
        """Tick no more. Harmless when stopped."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick_at(self, at: float) -> None:
        self._ticked_at = self._loop.time()
        self._timer = self._loop.call_at(at, self._tick)

    def _tick(self) -> None:
        ticks = ticks_in(self._loop.time() - self._ticked_at)
        is_idle = self._is_idle()
        self._tick_at(next_beat(self._loop.time(), IDLE_S if is_idle else TICK_S))
        if is_idle:
            self._answered()
            self._ping()
        elif self.answers != self._answers_seen:
            self._answered()
        else:
            self._remain_silent(ticks)

    def _answered(self) -> None:
        self._answers_seen = self.answers
        self._silent = 0
        self._reported.clear()
        self._has_waited = False

    def _remain_silent(self, ticks: int) -> None:
        self._silent += ticks
        if self._killed_for is not None:
            self._killed_for += ticks
        activity = self._activity()
        action = decide(
            self._silent,
            activity,
            killed_for=self._killed_for,
            is_opening=self.is_opening,
            has_limit=self._has_limit,
        )
        match action:
            case Action.REPORT:
                self._report_once(action, f"the process that writes {activity.description}")
            case Action.KILL:
                self._killed_for = 0
                self.killed_because = activity.description
                self._kill()
            case Action.REPORT_STUCK:
                what = f"the process that writes (pid {self._pid}) was killed and does not end"
                self._report_once(action, f"the disk is stuck: {what}")
            case Action.WAIT:
                pass

    def _activity(self) -> Activity:
        """Return what it does. On a busy machine one that waits is also seen waiting its turn."""
        activity = activity_of(self._pid)
        self._has_waited = self._has_waited or activity is Activity.WAITING
        is_between_waits = activity is Activity.COMPUTING and self._has_waited
        return Activity.WAITING if is_between_waits else activity

    def _report_once(self, action: Action, reason: str) -> None:
        if action not in self._reported:
            self._reported.add(action)
            self._report(reason)
