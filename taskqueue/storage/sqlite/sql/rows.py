"""Converts between rows and the structs of `rules.tasks`."""

from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import msgspec

from taskqueue.rules.tasks import NewTask, Status, Task
from taskqueue.rules.uniqueness import shown_key

Row: TypeAlias = tuple[Any, ...]

TASK = (
    "id, action, payload, queue, priority, status, attempt, max_attempts, crashes, deliveries,"
    " run_at, created_at, started_at, processed_at, result, reason,"
    " coalesce(unique_key, former_key), progress, cancel_reason, traceparent, limits, start_by,"
    " group_name, parent, schedule"
)
BRIEF = TASK.replace("payload", "''").replace("progress", "NULL").replace("result", "NULL")
"""The same columns without what may be large."""

DELIVERY = f"{TASK}, token, expires_at, claimed_at"
NEW_TASK = (
    "id, payload, action, queue, priority, max_attempts, unique_key, fingerprint, traceparent,"
    " limits, flow, weight"
)
ATTEMPT = "attempt, outcome, error, traceback, started_at, ended_at"


def json_array(values: Iterable[int | str]) -> str:
    """Return row numbers or tokens as one parameter, for `json_each` to unfold."""
    return msgspec.json.encode(list(values)).decode()


row_of: Callable[[NewTask], Row] = attrgetter("run_at", *NEW_TASK.split(", "), "group")
"""Returns the row of a new task, in the order of `statements.INSERT`."""


# Claimed tasks come as one JSON text, because each row of an answer is a step of its own (see
# `bulk`). JSON would not give an instant back to the last bit, but a whole number it does: one of
# our days is a multiple of 2^-22 s. Any other has a column of its own, and a row with its like.
_PARTS = 2**22
_INSTANTS = ("run_at", "created_at", "started_at", "start_by")
_IN_PARTS = [f"CAST({instant} * {_PARTS}.0 AS INTEGER)" for instant in _INSTANTS]
_ODD = [
    f"iif({instant} * {_PARTS}.0 = {parts}, NULL, {instant})"
    for instant, parts in zip(_INSTANTS, _IN_PARTS, strict=True)
]
CLAIMED_COLUMNS = f"""
{", ".join(_ODD)},
json_group_array(json_array(
    seq, id, action, payload, queue, priority, status, attempt, max_attempts, crashes, deliveries,
    result, reason, coalesce(unique_key, former_key), progress, cancel_reason, traceparent, limits,
    group_name, parent, schedule,
    {", ".join(_IN_PARTS)}
))
"""


class _Claimed(NamedTuple):
    seq: int
    id: str
    action: str
    payload: str
    queue: str
    priority: int
    status: Status
    attempt: int
    max_attempts: int
    crashes: int
    deliveries: int
    result: str | None
    reason: str | None
    unique_key: str | None
    progress: str | None
    cancel_reason: str | None
    traceparent: str | None
    limits: str | None
    group: str | None
    parent: str | None
    schedule: str | None
    run_at: int
    created_at: int
    started_at: int | None
    start_by: int | None


_decode_claimed = msgspec.json.Decoder(list[_Claimed]).decode


def claimed(row: Row) -> Iterator[tuple[int, Task]]:
    """Yield the tasks of a row of `CLAIMED_COLUMNS` by row number, as what has come due reads."""
    run_at, created_at, started_at, start_by, tasks = row
    for each in _decode_claimed(tasks):
        yield (
            each.seq,
            Task(
                id=each.id,
                action=each.action,
                payload=each.payload,
                queue=each.queue,
                priority=each.priority,
                status=Status.QUEUED if each.status is Status.SCHEDULED else each.status,
                attempt=each.attempt,
                max_attempts=each.max_attempts,
                crashes=each.crashes,
                deliveries=each.deliveries,
                run_at=_instant(run_at, each.run_at),
                created_at=_instant(created_at, each.created_at),
                started_at=None
                if each.started_at is None
                else _instant(started_at, each.started_at),
                expires_at=None if each.start_by is None else _instant(start_by, each.start_by),
                processed_at=None,
                result=each.result,
                reason=each.reason,
                unique_key=each.unique_key and shown_key(each.unique_key),
                progress=each.progress,
                cancel_reason=each.cancel_reason,
                traceparent=each.traceparent,
                limits=each.limits,
                group=each.group,
                parent=each.parent,
                schedule=each.schedule,
            ),
        )


def _instant(odd: float | None, parts: int) -> float:
    return parts / _PARTS if odd is None else odd
