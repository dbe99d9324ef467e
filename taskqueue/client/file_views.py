"""Between what the file of a service holds and what its client takes and returns."""

from collections.abc import Callable, Sequence
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from taskqueue.attempt_log import KeptLog
from taskqueue.client.attempt_views import AttemptLog
from taskqueue.client.verbs import Filters
from taskqueue.client.views import (
    GroupInfo,
    TaskInfo,
    TaskLimit,
    ThenInfo,
)
from taskqueue.errors import CallRefused, Fault
from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.groups import Group
from taskqueue.rules.limits import decoded
from taskqueue.rules.logs import LoggedAttempt
from taskqueue.rules.summaries import error_pattern
from taskqueue.rules.tasks import Attempt, Status, Task
from taskqueue.rules.uniqueness import KeyState


def info_of(
    task: Task,
    attempts: Sequence[Attempt] = (),
    key: KeyState | None = None,
    flow: str | None = None,
) -> TaskInfo:
    """Return a task as the client shows it."""
    fields: dict[str, Any] = msgspec.structs.asdict(task)
    for name in ("payload", "result", "progress"):
        fields[name] = None if fields[name] is None else _decoded(fields[name])
    fields["limits"] = [TaskLimit(**use._asdict()) for use in decoded(task.limits)]
    return TaskInfo(**fields, attempts=attempts, key=key, flow=flow)


def group_of(group: Group) -> GroupInfo:
    """Return a group as the client shows it."""
    return GroupInfo(
        name=group.name,
        tasks=group.tasks,
        total=group.total,
        progress=group.progress,
        closed=group.closed_at is not None,
        ended=group.ended_at is not None,
        created_at=group.created_at,
        closed_at=group.closed_at,
        ended_at=group.ended_at,
        then=_then_of(group),
    )


def _then_of(group: Group) -> ThenInfo | None:
    if group.then is None:
        return None
    return ThenInfo(
        action=group.then.action,
        queue=group.then.queue,
        accepted_at=group.then_at,
        task_id=group.then_id,
    )


def log_of(attempt: LoggedAttempt) -> AttemptLog:
    """Return what an attempt has logged, as the client shows it."""
    kept = msgspec.json.decode(attempt.log, type=KeptLog)
    return AttemptLog(
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at,
        lines=kept.lines,
        dropped=kept.dropped,
    )


_decoded: Callable[[str], Any] = msgspec.json.Decoder().decode


def filter_of(filters: Filters, now: float) -> TaskFilter:
    """Return the filter that a caller means.

    Raises:
        CallRefused: there is no such status.
    """
    status = filters.get("status")
    statuses = () if status is None else (status,) if isinstance(status, str) else tuple(status)
    error = filters.get("error")
    min_age_s, created_before = filters.get("min_age_s"), filters.get("created_before")
    if min_age_s is not None:
        created_before = min(now - min_age_s, created_before or now)
    return TaskFilter(
        statuses=tuple(one_of(Status, "status", each) for each in statuses),
        action=filters.get("action"),
        queue=filters.get("queue"),
        created_after=filters.get("created_after"),
        created_before=created_before,
        ended_after=filters.get("ended_after"),
        ended_before=filters.get("ended_before"),
        unique_key=filters.get("unique_key"),
        group=filters.get("group"),
        parent=filters.get("parent"),
        trace=filters.get("trace"),
        error=None if error is None else error_pattern(error),
        text=filters.get("text"),
    )


E = TypeVar("E", bound=StrEnum)


def one_of(kind: type[E], field: str, text: str) -> E:
    """Return the member of `kind` that a text names.

    Raises:
        CallRefused: there is none.
    """
    try:
        return kind(text)
    except ValueError:
        fault = Fault(field, f"must be one of {', '.join(kind)}")
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        raise CallRefused(status, "invalid request", faults=(fault,)) from None
