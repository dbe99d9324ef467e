"""Whether groups were counted and followed: each check yields the violations of a promise. Pure."""

from collections import Counter
from collections.abc import Iterator

from taskqueue.verification.books import Books

_STATUSES = ("queued", "scheduled", "running", "retrying", "completed", "dead", "cancelled")


def wrong_counts(books: Books) -> Iterator[str]:
    """The counts of a group are the numbers of its tasks by status."""
    counted = Counter(
        (task["group_name"], task["status"]) for task in books.tasks if task["group_name"]
    )
    told = Counter(
        {(group["name"], status): group[status] for group in books.groups for status in _STATUSES}
    )
    for name, status in counted.keys() | told.keys():
        if counted[name, status] != told[name, status]:
            rows = counted[name, status]
            yield f"{name} has {told[name, status]} {status} by its counts, {rows} by the rows"


def not_followed(books: Books) -> Iterator[str]:
    """A group that was closed has ended with its last task, and what follows is there."""
    tasks = books.by_key()
    for note in books.notes:
        if note.closed and note.key not in tasks:
            yield f"{note.follows} was closed, and {note.key} is not there"
    for group in books.groups:
        if group["closed_at"] is not None and group["then_at"] is None:
            yield f"{group['name']} is closed, and has not ended"
