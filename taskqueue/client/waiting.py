"""How a client waits for the end of a task: one long poll after the other, or reads of its row."""

from collections.abc import Callable, Iterator
from typing import Any

from taskqueue.client.views import TaskInfo
from taskqueue.errors import TaskNotCompleted
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


def result_of(task: TaskInfo) -> Any:
    """Return the result of a completed task.

    Raises:
        TaskNotCompleted: it is dead or cancelled.
    """
    if task.status is not Status.COMPLETED:
        raise TaskNotCompleted(task.id, task.status, task.reason)
    return task.result
