"""Converts between rows and the structs of `rules.tasks`."""

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from taskqueue.rules.keys import stored_until
from taskqueue.rules.tasks import NewTask
from taskqueue.rules.uniqueness import KeyEnd, Until
from taskqueue.storage.postgres.connections import Row

TASK = (
    "tasks.id, tasks.action, tasks.payload, tasks.queue, tasks.priority, tasks.status,"
    " tasks.attempt, tasks.max_attempts, tasks.crashes, tasks.deliveries, tasks.run_at,"
    " tasks.created_at, tasks.started_at, tasks.processed_at, tasks.result, tasks.reason,"
    " coalesce(tasks.unique_key, tasks.former_key), tasks.progress, tasks.cancel_reason,"
    " tasks.traceparent, tasks.limits, tasks.start_by, tasks.group_name,"
    " tasks.parent, tasks.schedule"
)
BRIEF = (
    TASK.replace("tasks.payload", "''")
    .replace("tasks.progress", "NULL")
    .replace("tasks.result", "NULL")
)
"""The same columns without what may be large."""

LIVE = "tasks.status IN ('queued', 'scheduled', 'retrying', 'running')"
"""What the server has to know to look at live rows alone."""

DELIVERY = f"{TASK}, tasks.token, tasks.expires_at, tasks.claimed_at"
ATTEMPT = "attempt, outcome, error, traceback, started_at, ended_at"

# A new task, by the columns that its own fields fill, and their types as arrays.
NEW_TASK: tuple[tuple[str, str], ...] = (
    ("run_at", "float8"),
    ("id", "text"),
    ("payload", "text"),
    ("action", "text"),
    ("queue", "text"),
    ("priority", "int8"),
    ("max_attempts", "int8"),
    ("unique_key", "text"),
    ("fingerprint", "text"),
    ("traceparent", "text"),
    ("limits", "text"),
    ("flow", "text"),
    ("weight", "float8"),
    ("expires_at", "float8"),
    ("group", "text"),
    ("parent", "text"),
    ("schedule", "text"),
    ("until", "text"),
)

_fields: Callable[[NewTask], Row] = attrgetter(*(name for name, _ in NEW_TASK[:-1]))


def columns_of(tasks: Iterable[NewTask]) -> list[Sequence[Any]]:
    """Return new tasks as one array for each of `NEW_TASK`."""
    rows = [(*_fields(task), until_text(stored_until(task.key_rule))) for task in tasks]
    return list(zip(*rows, strict=True))


def until_text(until: Until | None) -> str | None:
    """Return until when a key is held, as the column `unique_until` has it."""
    return None if until is None else str(until)


def until_of(text: str | None) -> Until | None:
    """Return what the column `unique_until` says."""
    if text is None:
        return None
    return KeyEnd(text) if text in _KEY_ENDS else float(text)


_KEY_ENDS = frozenset(map(str, KeyEnd))
