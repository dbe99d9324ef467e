"""The order in which tasks are claimed."""

from collections.abc import Iterable, Sequence
from operator import attrgetter

from taskqueue.rules.tasks import NewTask

_limits_and_flow = attrgetter("limits", "flow")
_NEITHER = {(None, None)}


def first_due(tasks: Sequence[NewTask], queue: str, *, limit: int, now: float) -> list[int]:
    """Return the places of those that a claim from `queue` would take first, were all inserted.

    Highest priority first, then oldest `run_at`, then id. None if one of them has limits or takes
    turns: whether that can be claimed, and what comes behind it, is for a claim to find out.
    """
    due = [
        (task.priority, now if task.run_at is None else task.run_at, task.id, place)
        for place, task in enumerate(tasks)
        if task.queue == queue and (task.run_at is None or task.run_at <= now)
    ]
    if not are_plain(tasks[place] for *_, place in due):
        return []
    due.sort()
    return [place for *_, place in due[:limit]]


def are_plain(tasks: Iterable[NewTask]) -> bool:
    """Return whether the places of tasks depend on nothing but their own fields."""
    return {*map(_limits_and_flow, tasks)} <= _NEITHER
