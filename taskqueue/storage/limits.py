"""The limits of what one call returns, in tasks and in bytes."""

from collections.abc import Iterable, Iterator

from taskqueue.rules.tasks import Task

MAX_ATTEMPTS = 200  # of one task that are read; each has up to 17 KiB of error and traceback


def check_limit(limit: int) -> None:
    """Raise `ValueError` if `limit`, a number of tasks, is negative; SQL would take all."""
    if limit < 0:
        raise ValueError(f"limit must not be negative, and is {limit}")


def within_bytes(tasks: Iterable[Task], max_bytes: int) -> Iterator[Task]:
    """Yield tasks up to the one with which they exceed `max_bytes`; take no other from `tasks`."""
    total = 0
    for task in tasks:
        yield task
        total += task.size
        if total > max_bytes:
            return
