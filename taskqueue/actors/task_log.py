"""Task events: one structured line for each attempt and each settlement. See `docs/logs.md`."""

from collections.abc import Sequence
from typing import assert_never

from taskqueue.events import events
from taskqueue.rules.leases.values import Finished
from taskqueue.rules.tasks import (
    Cancel,
    CancelAnswer,
    CancelResult,
    Complete,
    DeadLetter,
    Outcome,
    Postpone,
    Release,
    Requeue,
    Settled,
    Settlement,
    Task,
)


def attempt_started(task: Task, consumer: str) -> None:
    """A handler begins."""
    events.info(
        "attempt_started",
        task_id=task.id,
        action=task.action,
        attempt=task.attempt,
        consumer=consumer,
    )


def rescued(finished: Sequence[Finished], why: str) -> None:
    """The queue actor settles deliveries in place of their holder."""
    for task in (each.delivery.task for each in finished):
        events.warning(
            "task_rescued", task_id=task.id, action=task.action, attempt=task.attempt, why=why
        )


def cancel_asked(result: CancelResult, reason: str) -> None:
    """A cancellation was requested."""
    match result.answer:
        case CancelAnswer.CANCELLED:
            events.info("task_cancelled", task_id=result.task_id, reason=reason)
        case CancelAnswer.REQUESTED:
            events.info("task_cancel_requested", task_id=result.task_id, reason=reason)
        case CancelAnswer.ENDED | CancelAnswer.UNKNOWN:
            pass  # nothing has happened


def settled(task: Task, outcome: Outcome, settlement: Settlement, written: Settled) -> None:
    """What became of an attempt has been written, or could not be."""
    attempt = {
        "task_id": task.id,
        "action": task.action,
        "attempt": task.attempt,
        "outcome": type(outcome).__name__.lower(),
    }
    if written == Settled.LEASE_LOST:
        events.warning("task_lease_lost", **attempt)
        return
    if written == Settled.CANCELLED:
        events.info("task_cancelled", **attempt, reason="asked for while it was held")
        return
    match settlement:
        case Complete():
            events.info("task_completed", **attempt)
        case Requeue(run_at=run_at, error=error):
            events.warning("task_requeued", **attempt, run_at=run_at, error=error)
        case Postpone(run_at=run_at):
            events.info("task_postponed", **attempt, run_at=run_at)
        case DeadLetter(reason=reason):
            events.error("task_dead_lettered", **attempt, reason=reason)
        case Cancel(reason=reason):
            events.info("task_cancelled", **attempt, reason=reason)
        case Release():
            events.info("task_handed_back", **attempt)
        case never:
            assert_never(never)
