"""How a client waits for the end of a task: one long poll after the other, or reads of its row."""

import math
from collections.abc import Callable, Iterator
from typing import Any

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


FIRST_READ_S = 0.002
LAST_READ_S = 0.032


def read_pauses(waits_s: float, monotonic: Callable[[], float]) -> Iterator[float]:
    """Yield the pauses between reads of a task's row until `waits_s` are over; they double."""
    deadline, pause_s = monotonic() + waits_s, FIRST_READ_S
    while (left_s := deadline - monotonic()) > 0:
        yield min(pause_s, left_s)
        pause_s = min(2 * pause_s, LAST_READ_S)


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
