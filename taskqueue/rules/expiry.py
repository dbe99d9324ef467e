"""Expiry: a task that has not begun by a certain instant is cancelled. Pure.

It concerns the first start only. Once the handler has begun, a retry is as welcome as the first
attempt was, and a task that a person has redriven is wanted.
"""

from taskqueue.rules.tasks import Cancelled, Task
from taskqueue.structs import Struct

EXPIRED = "expired before it started"
"""The reason with which an expired task is cancelled."""


class ExpiredTask(Struct):
    """A task that has ended by its expiry."""

    id: str
    action: str
    queue: str


def may_expire(task: Task, *, attempt: int) -> bool:
    """Tell whether a task has an expiry that still counts, before it makes this attempt."""
    return task.expires_at is not None and task.started_at is None and task.attempt <= attempt


def at_start(task: Task, *, now: float) -> Cancelled | None:
    """Return the outcome of a claimed task that must not begin any more; None if it may."""
    if task.expires_at is None or task.expires_at > now or not may_expire(task, attempt=1):
        return None
    return Cancelled(reason=EXPIRED)
