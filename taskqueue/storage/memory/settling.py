"""What the verbs that change one task do to its row."""

from typing import Any, assert_never

from msgspec.structs import replace

from taskqueue.rules import turns
from taskqueue.rules.logs import LoggedAttempt
from taskqueue.rules.tasks import (
    ENDED,
    Attempt,
    AttemptOutcome,
    Cancel,
    CancelAnswer,
    CancelResult,
    Complete,
    DeadLetter,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Status,
    Task,
)
from taskqueue.storage.memory.rows import Lease, Row


def start(row: Row, lease: Lease, *, now: float) -> None:
    """Note that an attempt has begun, unless that is known."""
    if not lease.started:
        lease.started = True
        row.task = replace(row.task, status=Status.RUNNING, started_at=now, progress=None)


def settle(row: Row, lease: Lease, by: SettleBy, *, now: float) -> Settled:
    """Write a settlement whose lease holds."""
    task, settlement = row.task, by.settlement
    # The latest attempt may be settled without ever having started.
    started_at = task.started_at if lease.started else None
    if (line := _line(settlement, started=lease.started)) is not None:
        outcome, error, traceback = line
        if by.log is not None:
            row.logs.append(
                LoggedAttempt(
                    attempt=task.attempt,
                    outcome=outcome,
                    started_at=started_at,
                    ended_at=now,
                    log=by.log,
                )
            )
        row.attempts.append(
            Attempt(
                attempt=task.attempt,
                outcome=outcome,
                error=error,
                traceback=traceback,
                started_at=started_at,
                ended_at=now,
            )
        )
    row.task = replace(task, **_changes(task, lease, settlement, started_at=started_at, now=now))
    row.turn = _turn(settlement, row)
    if task.cancel_reason is not None and row.task.status not in ENDED:
        row.task = replace(
            row.task, status=Status.CANCELLED, reason=task.cancel_reason, processed_at=now
        )
        return Settled.CANCELLED
    return Settled.WRITTEN


def _line(
    settlement: Settlement, *, started: bool
) -> tuple[AttemptOutcome, str | None, str | None] | None:
    """Return outcome, error and traceback of the line in the history; None if there is none."""
    match settlement:
        case Complete():
            return AttemptOutcome.COMPLETED, None, None
        case Requeue() | DeadLetter():
            return settlement.outcome, settlement.error, settlement.traceback
        case Postpone(outcome=outcome, error=error):
            return outcome, error, None
        case Cancel(reason=reason):
            return AttemptOutcome.CANCELLED, reason, None
        case Release():
            return (AttemptOutcome.INTERRUPTED, None, None) if started else None
        case never:
            assert_never(never)


def _changes(
    task: Task, lease: Lease, settlement: Settlement, *, started_at: float | None, now: float
) -> dict[str, Any]:
    """Return the fields of the task that a settlement changes."""
    changes: dict[str, Any]
    match settlement:
        case Release(delivery_counts=delivery_counts):
            uncounted = not (delivery_counts or lease.started)
            return {
                "status": lease.waited_as,
                "attempt": task.attempt - 1,
                "deliveries": task.deliveries - uncounted,
            }
        case Complete(result=result):
            changes = {"status": Status.COMPLETED, "result": result, "reason": None}
        case Requeue(run_at=run_at, error=error):
            changes = {"status": Status.RETRYING, "run_at": run_at, "reason": error}
        case Postpone(run_at=run_at):
            changes = {"status": Status.SCHEDULED, "run_at": run_at, "attempt": task.attempt - 1}
        case DeadLetter(reason=reason):
            changes = {"status": Status.DEAD, "reason": reason}
        case Cancel(reason=reason):
            changes = {"status": Status.CANCELLED, "reason": reason}
        case never:
            assert_never(never)
    if isinstance(settlement, Requeue | DeadLetter):
        changes["crashes"] = task.crashes + (settlement.outcome is AttemptOutcome.CRASHED)
    if changes["status"] in ENDED:
        changes["processed_at"] = now
    return changes | {"started_at": started_at}


def _turn(settlement: Settlement, row: Row) -> float | None:
    """Return the turn after a settlement: what is done again keeps its place, what asks not to."""
    match settlement:
        case Requeue() | Postpone(outcome=AttemptOutcome.CONFLICTED):
            return turns.AGAIN
        case Postpone():
            return new_turn(row)
        case _:
            return row.turn


def new_turn(row: Row) -> float | None:
    """Return the turn of a row that queues anew: one with a flow gets it when it is due."""
    return turns.NONE if row.flow is None else None


def cancel(task_id: str, row: Row | None, *, reason: str, now: float) -> CancelResult:
    """End a task that nothing holds; mark one that is held."""
    if row is None:
        return CancelResult(task_id=task_id, answer=CancelAnswer.UNKNOWN)
    task = row.task
    if task.status in ENDED:
        return CancelResult(task_id=task_id, answer=CancelAnswer.ENDED)
    if row.lease is not None:
        if task.cancel_reason is None:
            row.task = replace(task, cancel_reason=reason)
        return CancelResult(task_id=task_id, answer=CancelAnswer.REQUESTED, token=row.lease.token)
    row.task = replace(task, status=Status.CANCELLED, reason=reason, processed_at=now)
    return CancelResult(
        task_id=task_id, answer=CancelAnswer.CANCELLED, action=task.action, queue=task.queue
    )


def redrive(row: Row, *, now: float) -> None:
    """Queue a dead task again with all its attempts before it."""
    row.turn = new_turn(row)
    row.task = replace(
        row.task,
        status=Status.QUEUED,
        run_at=now,
        attempt=0,
        crashes=0,
        deliveries=0,
        processed_at=None,
        reason=None,
        cancel_reason=None,
        expires_at=None,
    )
