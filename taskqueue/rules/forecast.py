"""When the next attempts at a task that has failed will be, if they fail as well. Pure."""

from collections.abc import Iterator

from taskqueue.rules.policy import RetryPolicy, backoff_s
from taskqueue.rules.tasks import Status, Task
from taskqueue.structs import Struct

SHOWN = 3
"""How many attempts are forecast."""


class NextAttempt(Struct):
    """When one attempt is due, at the earliest and at the latest; the two differ by the jitter."""

    attempt: int
    earliest_at: float
    latest_at: float


def next_attempts(
    task: Task, policy: RetryPolicy, *, now: float, most: int = SHOWN
) -> tuple[NextAttempt, ...]:
    """Return when the next attempts at a task are due that waits for a retry; none for any other.

    The first is certain. Each of the others follows if the one before it fails at once, so the
    time that attempts take comes on top.
    """
    if task.status is not Status.RETRYING:
        return ()
    last = min(task.attempt + most, task.max_attempts)
    return tuple(_from(task, policy, last, now=now))


def _from(task: Task, policy: RetryPolicy, last: int, *, now: float) -> Iterator[NextAttempt]:
    attempt = task.attempt + 1
    if attempt > last:
        return
    yield NextAttempt(attempt=attempt, earliest_at=task.run_at, latest_at=task.run_at)
    earliest_at = latest_at = max(task.run_at, now)
    while attempt < last:
        earliest_at += backoff_s(attempt, policy, jitter=0.0)
        latest_at += backoff_s(attempt, policy, jitter=1.0)
        attempt += 1
        yield NextAttempt(attempt=attempt, earliest_at=earliest_at, latest_at=latest_at)
