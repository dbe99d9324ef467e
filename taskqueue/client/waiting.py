"""How a client waits for the end of a task: one long poll after the other, or looks at its file."""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from taskqueue.client.views import TaskInfo
from taskqueue.errors import RateSpent, TaskNotCompleted
from taskqueue.rules.tasks import Status

LONGEST_POLL_S = 30.0
"""How long one request waits at most; proxies close connections that are silent for a minute."""


def slices(timeout_s: float | None, monotonic: Callable[[], float]) -> Iterator[float]:
    """Yield how long the next request may wait, until `timeout_s` are over; once at least."""
    deadline = None if timeout_s is None else monotonic() + timeout_s
    left_s = LONGEST_POLL_S if timeout_s is None else timeout_s
    while True:
        yield max(0.0, min(left_s, LONGEST_POLL_S))
        if deadline is not None:
            left_s = deadline - monotonic()
            if left_s <= 0:
                return


SHORT_S = (0.0005, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
LONG_S = (0.064, 0.128, 0.256)

FAILED_S = 0.1
"""The pause after a failed look."""

_FIRST_AGAIN = SHORT_S.index(0.002)


class Pause(NamedTuple):
    """How long to wait before the next look, and whether a write to the log ends it."""

    seconds: float
    until_written: bool


class Looking:
    """When a client that waits looks whether its file has changed; without that it reads nothing.

    A commit counts some time after it was written to the log, when the disk has synced it. So a
    write is followed by several looks. After them there is none until the next write; or they go
    on, if the system does not tell of writes.
    """

    def __init__(self, waits_s: float, *, is_told: bool, monotonic: Callable[[], float]) -> None:
        """Begin, perhaps between a write and its commit; `waits_s` is the longest wait."""
        self._deadline = monotonic() + waits_s
        self._is_told = is_told
        self._monotonic = monotonic
        self._first = self._step = 0
        self._has_failed = False

    def next_pause(self) -> Pause | None:
        """Return the pause before the next look, None when the time is up."""
        left_s = self._deadline - self._monotonic()
        if left_s <= 0:
            return None
        if self._has_failed:
            self._has_failed = False
            return Pause(min(left_s, FAILED_S), until_written=False)
        step = self._step
        self._step += 1
        if step < len(SHORT_S) or not self._is_told:
            return Pause(min(left_s, SHORT_S[min(step, len(SHORT_S) - 1)]), until_written=False)
        later = LONG_S[step - len(SHORT_S) :]
        return Pause(min([left_s, *later[:1]]), until_written=True)

    def written(self) -> None:
        """Note that a write has ended the pause."""
        self._first = self._step = 0

    def failed(self) -> None:
        """Note that the file could not be read: the next look comes after `FAILED_S`."""
        self._has_failed = True

    def changed(self) -> None:
        """Note that a look has found a change: the next comes later, while changes keep coming."""
        self._first = min(max(self._first + 1, _FIRST_AGAIN), len(SHORT_S) - 1)
        self._step = self._first


class TakePatience:
    """How long a program waits for starts of a limit."""

    def __init__(self, name: str, timeout_s: float | None, monotonic: Callable[[], float]) -> None:
        """Begin; `timeout_s` is the longest wait from now on, None for any."""
        self._name = name
        self._timeout_s = math.inf if timeout_s is None else timeout_s
        self._monotonic = monotonic
        self._began_at = monotonic()

    def pause_s(self, wait_s: float) -> float:
        """Return how long to wait, where the service says to ask again in `wait_s` seconds.

        Raises:
            RateSpent: that is too late.
        """
        if self._monotonic() + wait_s > self._began_at + self._timeout_s:
            raise RateSpent(self._name, wait_s, self._timeout_s)
        return wait_s


def result_of(task: TaskInfo) -> Any:
    """Return the result of a completed task.

    Raises:
        TaskNotCompleted: it is dead or cancelled.
    """
    if task.status is not Status.COMPLETED:
        raise TaskNotCompleted(task.id, task.status, task.reason)
    return task.result
