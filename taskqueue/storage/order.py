"""The order in which tasks are claimed."""

from collections.abc import Sequence

from taskqueue.rules.tasks import NewTask


def first_due(tasks: Sequence[NewTask], queue: str, *, limit: int, now: float) -> list[int]:
    """Return the places of those that a claim from `queue` would take first, were all inserted.

    Highest priority first, then oldest `run_at`, then id. None if one of them has limits or takes
    turns: whether that can be claimed, and what comes behind it, is for a claim to find out.
    """
    due = [
        (task.priority, now if task.run_at is None else task.run_at, task.id, place, is_plain(task))
        for place, task in enumerate(tasks)
        if task.queue == queue and (task.run_at is None or task.run_at <= now)
    ]
    if not all(plain for *_, plain in due):
        return []
    due.sort()
    return [place for *_, place, _ in due[:limit]]


def is_plain(task: NewTask) -> bool:
    """Return whether the place of a task depends on nothing but its own fields."""
    return task.limits is None and task.flow is None
