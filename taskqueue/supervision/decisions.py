"""Decisions of a supervisor: what happens when a child ends. Pure: no clock, no actor, no await.

Source: OTP `supervisor`; the section numbers are those of `docs/otp.md`.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from enum import StrEnum

from taskqueue.actors.runtime import KILLED, SHUTDOWN, ExitReason, is_orderly
from taskqueue.supervision.specs import (
    BRUTAL_KILL,
    AutoShutdown,
    Intensity,
    Restart,
    ShutdownLimit,
    Strategy,
)


class ChildStatus(StrEnum):
    """Where a child stands, as `which_children` tells it."""

    RUNNING = "running"
    RESTARTING = "restarting"  # its last restart failed; another attempt is on its way
    STOPPED = "stopped"  # listed, not running: terminated by hand, ended orderly, or ignored


class Verdict(StrEnum):
    """What becomes of a child that ended by itself."""

    RESTART = "restart"
    KEEP = "keep"  # listed, not running
    FORGET = "forget"  # its specification goes too


def after_exit(restart: Restart, reason: ExitReason) -> Verdict:
    """Decide what becomes of a child that ended by itself with `reason`.

    >>> from taskqueue.actors.runtime import NORMAL
    >>> [str(after_exit(restart, NORMAL)) for restart in Restart]
    ['restart', 'keep', 'forget']
    """
    match restart:
        case Restart.PERMANENT:
            return Verdict.RESTART
        case Restart.TRANSIENT:
            return Verdict.KEEP if is_orderly(reason) else Verdict.RESTART
        case Restart.TEMPORARY:
            return Verdict.FORGET


def is_reported(restart: Restart, reason: ExitReason) -> bool:
    """Tell whether an exit is a `child_terminated` report: not the expected ones."""
    return restart == Restart.PERMANENT or not is_orderly(reason)


def is_shutdown_error(restart: Restart, limit: ShutdownLimit, reason: ExitReason) -> bool:
    """Tell whether a child that was told to stop ended otherwise than it should have.

    A child that may end by itself may have done so just before: any orderly end is fine then.
    """
    if reason == (KILLED if limit == BRUTAL_KILL else SHUTDOWN):
        return False
    return restart == Restart.PERMANENT or not is_orderly(reason)


def to_stop(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    """Return who is stopped before `failed` is restarted, in stop order.

    >>> to_stop(Strategy.REST_FOR_ONE, ["a", "b", "c", "d"], "b")
    ('d', 'c')
    """
    group = _group(strategy, order, failed)
    return tuple(child for child in reversed(group) if child != failed)


def to_start(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    """Return who is started when `failed` is restarted, in start order.

    Children of the group that were not running come to life again as well: nothing remembers that
    they had been stopped on purpose.

    >>> to_start(Strategy.REST_FOR_ONE, ["a", "b", "c", "d"], "b")
    ('b', 'c', 'd')
    """
    return _group(strategy, order, failed)


def _group(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    match strategy:
        case Strategy.ONE_FOR_ONE | Strategy.SIMPLE_ONE_FOR_ONE:
            return (failed,)
        case Strategy.ONE_FOR_ALL:
            return tuple(order)
        case Strategy.REST_FOR_ONE:
            return tuple(order[order.index(failed) :])


def shuts_down(mode: AutoShutdown, significant_left: Iterable[ChildStatus]) -> bool:
    """Tell whether the supervisor stops now that a significant child has ended for good.

    `significant_left` is where the other significant children stand; one that waits for a restart
    attempt still holds the supervisor up.
    """
    match mode:
        case AutoShutdown.NEVER:
            return False
        case AutoShutdown.ANY_SIGNIFICANT:
            return True
        case AutoShutdown.ALL_SIGNIFICANT:
            return all(status == ChildStatus.STOPPED for status in significant_left)


class RestartWindow:
    """The restarts of one supervisor within its period.

    Times are whole seconds, rounded down, and the edge counts, so the window is between `period_s`
    and `period_s + 1` seconds long: OTP's rule. Adding costs the same however many there are.
    """

    def __init__(self, intensity: Intensity) -> None:
        self.intensity = intensity
        self._times: deque[int] = deque()

    def add(self, now: float) -> bool:
        """Count a restart at `now` (monotonic seconds); tell whether it is one too many."""
        self._times.append(math.floor(now))
        return self.count(now) > self.intensity.max_restarts

    def count(self, now: float) -> int:
        """Return how many restarts are in the period that ends at `now`."""
        oldest = math.floor(now) - self.intensity.period_s
        while self._times and self._times[0] < oldest:
            self._times.popleft()
        return len(self._times)
