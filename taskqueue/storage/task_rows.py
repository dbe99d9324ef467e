"""Reads rows of tasks and attempts. Every engine with SQL selects the columns in this order."""

from typing import Any, TypeAlias

import msgspec

from taskqueue.rules.tasks import Attempt, AttemptOutcome, Delivery, Edit, NewTask, Status, Task
from taskqueue.rules.uniqueness import shown_key

Row: TypeAlias = tuple[Any, ...]


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
        unique_key=row[16] and shown_key(row[16]),
        progress=row[17],
        cancel_reason=row[18],
        traceparent=row[19],
        limits=row[20],
        expires_at=row[21],
        group=row[22],
        parent=row[23],
        schedule=row[24],
    )


def delivery(row: Row) -> Delivery:
    """Return a row of `DELIVERY` columns. What is held had come due when it was claimed."""
    held = task(row, now=row[27])
    return Delivery(
        token=row[25],
        task=held,
        expires_at=row[26],
        started=held.status is Status.RUNNING,
    )


def first_delivery(new: NewTask, token: str, *, expires_at: float, now: float) -> Delivery:
    """Return the first delivery of a task that is inserted and claimed at `now`."""
    return Delivery(
        token=token,
        task=Task(
            id=new.id,
            action=new.action,
            payload=new.payload,
            queue=new.queue,
            priority=new.priority,
            status=Status.QUEUED,
            attempt=1,
            max_attempts=new.max_attempts,
            crashes=0,
            deliveries=1,
            run_at=now if new.run_at is None else new.run_at,
            created_at=now,
            started_at=None,
            processed_at=None,
            result=None,
            reason=None,
            unique_key=new.unique_key and shown_key(new.unique_key),
            traceparent=new.traceparent,
            expires_at=new.expires_at,
            group=new.group,
            parent=new.parent,
            schedule=new.schedule,
        ),
        expires_at=expires_at,
        started=False,
    )


_decode_edits = msgspec.json.Decoder(tuple[Edit, ...]).decode


def edits(text: str | None) -> tuple[Edit, ...]:
    """Return what the column `edits` holds."""
    return () if text is None else _decode_edits(text)


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
