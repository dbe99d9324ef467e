"""Decisions of a supervisor, as pure functions: no clock, no actor, no await.

Source: OTP `supervisor`; the section numbers are those of `docs/otp.md`.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from taskqueue.runtime import (
    Crash,
    ExitReason,
    Killed,
    Shutdown,
    is_orderly,
)
from taskqueue.supervision.specs import (
    BRUTAL_KILL,
    AutoShutdown,
    Backoff,
    Intensity,
    Restart,
    ShutdownLimit,
    Strategy,
)


class ChildStatus(StrEnum):
    """The status of a child, as `which_children` returns it."""

    RUNNING = "running"
    RESTARTING = "restarting"  # it does not run, and will be started by itself
    STOPPED = "stopped"  # listed, not running: terminated by a call, ended normally, or ignored


class Verdict(StrEnum):
    """What happens to a child that ended by itself."""

    RESTART = "restart"
    KEEP = "keep"  # listed, not running
    FORGET = "forget"  # its specification is deleted, too


def after_exit(restart: Restart, reason: ExitReason) -> Verdict:
    """Decide what happens to a child that ended by itself with `reason`.

    >>> from taskqueue.runtime import NORMAL
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
    """Return whether an exit is reported as `child_terminated`; expected ones are not."""
    return restart == Restart.PERMANENT or not is_orderly(reason)


def is_shutdown_error(restart: Restart, limit: ShutdownLimit, reason: ExitReason) -> bool:
    """Return whether a child that was told to stop ended with an unexpected reason.

    A child that is not permanent may have ended just before, so any normal exit is expected.
    """
    if _is_the_end_asked_for(limit, reason):
        return False
    return restart == Restart.PERMANENT or not is_orderly(reason)


def _is_the_end_asked_for(limit: ShutdownLimit, reason: ExitReason) -> bool:
    match reason:  # not by ==, which compares details and causes, whose code may raise
        case Killed():
            return limit == BRUTAL_KILL
        case Shutdown(detail=None):
            return limit != BRUTAL_KILL
        case _:
            return False


def term_order(reason: ExitReason) -> tuple[int, str]:
    """Return the key by which Erlang sorts exit reasons: atoms first, then tuples.

    Source: OTP `supervisor`, which reports the failures of a parallel stop in this order.

    >>> from taskqueue.runtime import NORMAL, Crash, Shutdown
    >>> reasons = [Shutdown("bye"), Crash(OSError("disk full")), Crash("weird"), NORMAL]
    >>> [str(reason) for reason in sorted(reasons, key=term_order)]
    ['normal', 'weird', 'OSError: disk full', 'shutdown: bye']
    """
    match reason:
        case Shutdown(detail=detail):
            is_tuple = detail is not None
        case Crash(cause=cause):
            # An error comes with its stack. Not by `isinstance`, which asks the cause itself.
            is_tuple = issubclass(type(cause), BaseException | tuple)
        case _:
            is_tuple = False
    return is_tuple, str(reason)


def to_stop(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    """Return the children to stop before `failed` is restarted, in stop order.

    >>> to_stop(Strategy.REST_FOR_ONE, ["a", "b", "c", "d"], "b")
    ('d', 'c')
    """
    group = _group(strategy, order, failed)
    return tuple(child for child in reversed(group) if child != failed)


def to_start(strategy: Strategy, order: Sequence[str], failed: str) -> tuple[str, ...]:
    """Return the children to start when `failed` is restarted, in start order.

    Children of the group that were terminated by a call are started as well: OTP does not remember
    the call.

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
    """Return whether the supervisor stops, now that a significant child has ended for good.

    `significant_left` are the statuses of the other significant children; one that waits for a
    restart attempt counts as running.
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
    and `period_s + 1` seconds long, as in OTP. Adding a restart takes constant time.
    """

    def __init__(self, intensity: Intensity) -> None:
        self.intensity = intensity
        self._times: deque[int] = deque()

    def add(self, now: float) -> bool:
        """Count a restart at `now` (monotonic seconds); return whether that is too many."""
        self._times.append(math.floor(now))
        return self.count(now) > self.intensity.max_restarts

    def count(self, now: float) -> int:
        """Return how many restarts are in the period that ends at `now`."""
        oldest = math.floor(now) - self.intensity.period_s
        while self._times and self._times[0] < oldest:
            self._times.popleft()
        return len(self._times)


@dataclass(frozen=True, slots=True)
class Pause:
    """The wait before a restart."""

    seconds: float
    grows: bool  # the next may be longer


def pause(backoff: Backoff, nth: int, *, jitter: float) -> Pause:
    """Return the wait before the `nth` restart (1, 2, …) of a child that has not been stable since.

    `jitter` in [0, 1] is the fraction of the backoff's jitter to add; the caller draws it.

    >>> backoff = Backoff(initial_s=1, max_s=30)
    >>> [pause(backoff, nth, jitter=0.0).seconds for nth in (1, 2, 3, 5, 6, 9_999)]
    [1.0, 2.0, 4.0, 16.0, 30.0, 30.0]
    """
    try:
        seconds = min(backoff.max_s, backoff.initial_s * float(backoff.factor) ** (nth - 1))
    except OverflowError:  # a float overflows long before a count does
        seconds = backoff.max_s
    grows = seconds < backoff.max_s and backoff.factor > 1
    return Pause(seconds * (1.0 + backoff.jitter * jitter), grows)


def counts(waited: Pause | None) -> bool:
    """Return whether a restart after this wait counts in the intensity window.

    Not while the wait still grows: the backoff would be useless if the supervisor gave up at the
    second crash. At the maximum wait, the intensity decides whether restarts at that rate are
    tolerable.
    """
    return waited is None or not waited.grows


class RestartDelays:
    """The waits before the restarts of one child. Times are monotonic seconds."""

    def __init__(self, backoff: Backoff) -> None:
        self.backoff = backoff
        self._restarts = 0  # since it was stable
        self._runs_since: float | None = None

    def started(self, now: float) -> None:
        """Note that the child runs."""
        self._runs_since = now

    def ended(self, now: float) -> None:
        """Note that it has ended; if it was stable, its backoff starts over."""
        since, self._runs_since = self._runs_since, None
        if since is not None and now - since >= self.backoff.stable_s:
            self._restarts = 0

    def next(self, *, jitter: float) -> Pause:
        """Return the wait before the next restart; see `pause`."""
        self._restarts += 1
        return pause(self.backoff, self._restarts, jitter=jitter)
