"""Turns words into rows and rows into words."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec

from taskqueue.tasks import Attempt, AttemptOutcome, Delivery, NewTask, Status, Task

Row: TypeAlias = tuple[Any, ...]

TASK = (
    "id, action, payload, queue, priority, status, attempt, max_attempts, crashes, deliveries,"
    " run_at, created_at, started_at, processed_at, result, reason,"
    " unique_key, progress, cancel_reason"
)
DELIVERY = f"{TASK}, token, expires_at, claimed_at"
ATTEMPT = "attempt, outcome, error, traceback, started_at, ended_at"


def json_array(seqs: Iterable[int]) -> str:
    """Return row numbers as one parameter, for `json_each` to unfold."""
    return msgspec.json.encode(list(seqs)).decode()


def row_of(task: NewTask, *, now: float) -> Row:
    """Return the row of a task accepted at `now`, in the order of `statements.INSERT`."""
    run_at = now if task.run_at is None else task.run_at
    return (
        task.id,
        task.payload,
        Status.SCHEDULED if run_at > now else Status.QUEUED,
        now,
        task.action,
        task.queue,
        task.priority,
        run_at,
        task.max_attempts,
        task.unique_key,
        task.fingerprint,
    )


def task(row: Row, *, now: float) -> Task:
    """Return a row of `TASK` columns as it reads at `now`: what has come due is queued."""
    status = Status(row[5])
    run_at = row[10]
    if status is Status.SCHEDULED and run_at <= now:
        status = Status.QUEUED
    return Task(
        id=row[0],
        action=row[1],
        payload=row[2],
        queue=row[3],
        priority=row[4],
        status=status,
        attempt=row[6],
        max_attempts=row[7],
        crashes=row[8],
        deliveries=row[9],
        run_at=run_at,
        created_at=row[11],
        started_at=row[12],
        processed_at=row[13],
        result=row[14],
        reason=row[15],
        unique_key=row[16],
        progress=row[17],
        cancel_reason=row[18],
    )


def delivery(row: Row) -> Delivery:
    """Return a row of `DELIVERY` columns. What is held had come due when it was claimed."""
    held = task(row, now=row[21])
    return Delivery(
        token=row[19],
        task=held,
        expires_at=row[20],
        started=held.status is Status.RUNNING,
    )


def attempt(row: Row) -> Attempt:
    """Return a row of `ATTEMPT` columns."""
    return Attempt(
        attempt=row[0],
        outcome=AttemptOutcome(row[1]),
        error=row[2],
        traceback=row[3],
        started_at=row[4],
        ended_at=row[5],
    )
