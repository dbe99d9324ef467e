"""Edits: what may change in a task that has not ended, while nothing holds it. Pure."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec.structs import asdict

from taskqueue.rules.tasks import Status
from taskqueue.structs import Struct

MAX_EDITS = 100  # of one task that are kept, the latest


class Change(Struct):
    """The new values of a task; None leaves a value as it is."""

    payload: str | None = None  # JSON text of a `Payload`
    priority: int | None = None
    run_at: float | None = None
    max_attempts: int | None = None


class EditAnswer(StrEnum):
    """The answer to a request to edit a task."""

    EDITED = "edited"
    HELD = "held"  # a consumer has it, or is about to
    ENDED = "ended"
    SPENT = "spent"  # it has used as many attempts as it would have
    UNKNOWN = "unknown"  # there is no such task


class EditResult(Struct):
    """The answer for one task, and the names of the fields that have changed."""

    answer: EditAnswer
    changed: tuple[str, ...] = ()


def refusal(change: Change, *, is_held: bool, has_ended: bool, attempt: int) -> EditAnswer | None:
    """Return why a task cannot be changed in this way; None if it can.

    >>> refusal(Change(max_attempts=2), is_held=False, has_ended=False, attempt=2)
    <EditAnswer.SPENT: 'spent'>
    """
    if has_ended:
        return EditAnswer.ENDED
    if is_held:
        return EditAnswer.HELD
    if change.max_attempts is not None and change.max_attempts <= attempt:
        return EditAnswer.SPENT
    return None


def new_values(change: Change, current: Change) -> dict[str, str | int | float]:
    """Return what changes, by field.

    >>> new_values(Change(priority=3, max_attempts=5), Change(priority=0, max_attempts=5))
    {'priority': 3}
    """
    old = asdict(current)
    return {
        name: value
        for name, value in asdict(change).items()
        if value is not None and value != old[name]
    }


def old_values(changed: Mapping[str, object], current: Change) -> dict[str, int | float | None]:
    """Return what the changed fields were before. Payloads are not kept, as they may be large."""
    old = asdict(current) | {"payload": None}
    return {name: old[name] for name in changed}


def status_at(status: Status, *, run_at: float, now: float) -> Status:
    """Return the status of a task that is not held, once its `run_at` has changed."""
    if status is Status.RETRYING:
        return status
    return Status.SCHEDULED if run_at > now else Status.QUEUED
