"""Task events: one structured line for each attempt and each settlement. See `docs/logs.md`."""

from collections.abc import Sequence
from typing import Any, assert_never

import msgspec

from taskqueue.events import events
from taskqueue.rules.tasks import (
    Acceptance,
    Accepted,
    Cancel,
    CancelAnswer,
    CancelResult,
    Complete,
    DeadLetter,
    NewTask,
    Outcome,
    Postpone,
    Release,
    Requeue,
    Settled,
    Settlement,
    Task,
)

# Names of this module: Python 3.11 takes 0.1 us for a member of an enum.
_CANCELLED, _LEASE_LOST = Settled.CANCELLED, Settled.LEASE_LOST

MAX_PROGRESS = 4_096  # characters of JSON that an event holds; the task has more


def enqueued(tasks: Sequence[NewTask], accepted: Sequence[Accepted]) -> None:
    """New tasks are committed. Two lines for each short task are enough unless more are wanted."""
    if not events.are_wanted("debug", "task_enqueued"):
        return
    for task, answer in zip(tasks, accepted, strict=True):
        if answer.acceptance is Acceptance.ACCEPTED:
            events.debug(
                "task_enqueued",
                task_id=task.id,
                action=task.action,
                queue=task.queue,
                run_at=task.run_at,
            )


def progressed(task: Task, progress: str) -> None:
    """What a handler reports is written."""
    if events.are_wanted("debug", "task_progress"):
        value = msgspec.json.decode(progress) if len(progress) <= MAX_PROGRESS else None
        events.debug("task_progress", **_attempt(task), progress=value)


def attempt_started(task: Task, consumer: str) -> None:
    """A handler begins."""
    events.info("attempt_started", **_attempt(task), consumer=consumer)


def rescued(task: Task, why: str) -> None:
    """The queue actor has settled a delivery in place of its holder."""
    events.warning("task_rescued", **_attempt(task), why=why)


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
    attempt = {**_attempt(task), "outcome": type(outcome).__name__.lower()}
    if written is _LEASE_LOST:
        events.warning("task_lease_lost", **attempt)
        return
    if written is _CANCELLED:
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


def _attempt(task: Task) -> dict[str, Any]:
    return {
        "task_id": task.id,
        "action": task.action,
        "queue": task.queue,
        "attempt": task.attempt,
    }
