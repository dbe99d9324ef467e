"""Unique keys: what happens to a task whose key another one has, and to one not accepted. Pure."""

from collections.abc import Mapping, Sequence
from typing import Self, TypeAlias

from taskqueue.errors import GroupClosed, KeyConflict, KeyTaken
from taskqueue.rules.edits import Change
from taskqueue.rules.tasks import ENDED, Acceptance, Accepted, NewTask, Status, Task
from taskqueue.rules.uniqueness import (
    KeyEnd,
    KeyRule,
    KeyState,
    OnRepeat,
    Until,
    scope_of,
    shown_key,
)
from taskqueue.structs import Struct

_USUAL = KeyRule()

SHOWN = frozenset({Acceptance.KEPT, Acceptance.REPLACED, Acceptance.POSTPONED})
"""Answers that include the current status of the task under the key."""


_REFUSALS = frozenset({Acceptance.CONFLICT, Acceptance.REJECTED, Acceptance.CLOSED})


class Holder(Struct):
    """The task that has a key, as far as that decides about the next one."""

    id: str
    fingerprint: str | None
    until: Until | None  # None: until it is deleted
    status: Status
    is_held: bool
    attempt: int
    started_at: float | None
    created_at: float
    run_at: float
    queue: str

    @classmethod
    def of(
        cls, task: Task, until: Until | None, *, is_held: bool, fingerprint: str | None = None
    ) -> Self:
        """Return what decides about the next task under the key of this one."""
        return cls(
            id=task.id,
            fingerprint=fingerprint,
            until=until,
            status=task.status,
            is_held=is_held,
            attempt=task.attempt,
            started_at=task.started_at,
            created_at=task.created_at,
            run_at=task.run_at,
            queue=task.queue,
        )


class Free(Struct):
    """The holder gives up the key, and the new task is accepted."""


class Changed(Struct):
    """The holder is changed in the place of the new task, unless it cannot be any more."""

    change: Change
    acceptance: Acceptance


Meeting: TypeAlias = Free | Changed | Acceptance


def meeting(task: NewTask, holder: Holder, *, now: float) -> Meeting:
    """Return what becomes of a new task whose key `holder` has."""
    if hold_is_over(holder, now=now):
        return Free()
    rule = task.key_rule or _USUAL
    is_same = task.fingerprint is not None and holder.fingerprint == task.fingerprint
    match rule.on_repeat:
        case OnRepeat.REPLACE | OnRepeat.POSTPONE if holder.is_held or holder.status in ENDED:
            return Acceptance.REJECTED
        case OnRepeat.REPLACE if task.queue != holder.queue:
            return Acceptance.REJECTED  # its limits and its turns are those of its queue
        case OnRepeat.REPLACE:
            return Changed(
                change=_replacing(task, rule, holder, now=now), acceptance=Acceptance.REPLACED
            )
        case OnRepeat.POSTPONE if task.run_at is not None:
            return Changed(change=_postponing(task, rule, holder), acceptance=Acceptance.POSTPONED)
        case _ if is_same:
            return Acceptance.REPEATED
        case OnRepeat.KEEP | OnRepeat.POSTPONE:
            return Acceptance.KEPT
        case OnRepeat.REJECT:
            return Acceptance.REJECTED
        case None:
            return Acceptance.CONFLICT


def hold_is_over(holder: Holder, *, now: float) -> bool:
    """Tell whether a task has had its key for as long as was chosen.

    A claimed task counts as started: its handler may have read what the next task is about.
    """
    match holder.until:
        case None:
            return False
        case KeyEnd.ENDED:
            return holder.status in ENDED
        case KeyEnd.STARTED:
            was_claimed = holder.attempt > 0 or holder.started_at is not None
            return was_claimed or holder.status in ENDED
        case seconds:
            return now >= holder.created_at + float(seconds)


def stored_until(rule: KeyRule | None) -> Until | None:
    """Return until when a key is held, None if that is the usual."""
    return None if rule is None or rule.until == KeyEnd.DELETED else rule.until


def key_state(key: str, holder: Holder, *, was_freed: bool, now: float) -> KeyState:
    """Return the state of the stored key of a task."""
    return KeyState(
        scope=scope_of(key),
        until=holder.until or KeyEnd.DELETED,
        is_free=was_freed or hold_is_over(holder, now=now),
    )


def _replacing(task: NewTask, rule: KeyRule, holder: Holder, *, now: float) -> Change:
    """Return what replaces the waiting task: one that is due keeps its place in line."""
    run_at = _bounded(task.run_at, rule, holder)
    if run_at is None and holder.status is Status.SCHEDULED:
        run_at = min(holder.run_at, now)
    return Change(payload=task.payload, priority=task.priority, run_at=run_at)


def _postponing(task: NewTask, rule: KeyRule, holder: Holder) -> Change:
    run_at = _bounded(task.run_at, rule, holder)
    return Change(run_at=None if run_at is None else max(run_at, holder.run_at))


def _bounded(run_at: float | None, rule: KeyRule, holder: Holder) -> float | None:
    if run_at is None or rule.latest_s is None:
        return run_at
    return min(run_at, holder.created_at + rule.latest_s)


def refuse_unaccepted(tasks: Sequence[NewTask], answers: Sequence[Accepted]) -> None:
    """Raise if the key of one of these tasks belongs to another, and that was not expected.

    So it does if the group of one is closed.

    Raises:
        KeyConflict: with all such keys, and whose they are.
        KeyTaken: likewise, of tasks that are rejected if they are repeated.
        GroupClosed: with all such groups.
    """
    if _REFUSALS.isdisjoint([answer.acceptance for answer in answers]):
        return
    if conflicts := _answered(tasks, answers, Acceptance.CONFLICT):
        raise KeyConflict(conflicts)
    if taken := _answered(tasks, answers, Acceptance.REJECTED):
        raise KeyTaken(taken)
    closed = {
        str(task.group)
        for task, answer in zip(tasks, answers, strict=True)
        if answer.acceptance is Acceptance.CLOSED
    }
    if closed:
        raise GroupClosed(tuple(sorted(closed)))


def _answered(
    tasks: Sequence[NewTask], answers: Sequence[Accepted], acceptance: Acceptance
) -> Mapping[str, str]:
    return {
        shown_key(str(task.unique_key)): answer.id
        for task, answer in zip(tasks, answers, strict=True)
        if answer.acceptance is acceptance
    }
