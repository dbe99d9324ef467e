"""The limits of what one call does and returns, in tasks and in bytes."""

from collections.abc import Iterable, Iterator

from taskqueue.rules.logs import LoggedAttempt
from taskqueue.rules.tasks import Task

MOST_PARKED = 500  # by one claim: so many rows take 10 to 50 ms of its commit
MOST_COUNTED = 1_000  # waiting tasks; more are said to be more
MAX_ATTEMPTS = 200  # of one task that are read; each has up to 17 KiB of error and traceback


def check_limit(limit: int) -> None:
    """Raise `ValueError` if `limit`, a number of tasks, is negative; SQL would take all."""
    if limit < 0:
        raise ValueError(f"limit must not be negative, and is {limit}")


def logs_within(
    logs: Iterable[tuple[int, LoggedAttempt]], max_bytes: int
) -> tuple[tuple[LoggedAttempt, ...], int | None]:
    """Return the first attempts, up to the one with which their logs exceed `max_bytes`.

    Each comes with its place in the history. The place of the last one is returned if there are
    more.
    """
    page: list[LoggedAttempt] = []
    last, total = None, 0
    for place, logged in logs:
        if total > max_bytes:
            return tuple(page), last
        page.append(logged)
        last, total = place, total + len(logged.log.encode())
    return tuple(page), None


def within_bytes(tasks: Iterable[Task], max_bytes: int) -> Iterator[Task]:
    """Yield tasks up to the one with which they exceed `max_bytes`; take no other from `tasks`."""
    total = 0
    for task in tasks:
        yield task
        total += task.size
        if total > max_bytes:
            return
