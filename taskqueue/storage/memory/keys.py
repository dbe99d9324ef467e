"""Unique keys in memory: what a new row does that meets the holder of its key."""

from msgspec.structs import replace

from taskqueue.rules import turns
from taskqueue.rules.keys import SHOWN, Changed, Free, Holder, key_state, meeting, stored_until
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask
from taskqueue.rules.uniqueness import KeyState
from taskqueue.storage.memory.editing import edit
from taskqueue.storage.memory.rows import Row
from taskqueue.storage.memory.settling import new_turn


def meet(task: NewTask, row: Row, *, now: float) -> Accepted | None:
    """Resolve a collision of unique keys; return None if `row` has released the key."""
    met = meeting(task, _holder(row), now=now)
    if isinstance(met, Free):
        row.key_is_free = True
        return None
    if isinstance(met, Changed):
        edit(row, met.change, now=now)
        row.task = replace(row.task, expires_at=task.expires_at)
        if met.change.payload is not None:  # what is made of the data changes with it
            row.fingerprint = task.fingerprint
            row.task = replace(row.task, limits=task.limits)
            row.flow, row.weight = task.flow, task.weight
            row.turn = row.turn if row.turn == turns.AGAIN else new_turn(row)
        met = met.acceptance
    return _answer(row, met, now=now)


def standing(task: NewTask, row: Row, *, now: float) -> Accepted | None:
    """Say what `row` answers for a task that must not be inserted, if that changes nothing."""
    met = meeting(task, _holder(row), now=now)
    return None if isinstance(met, Free | Changed) else _answer(row, met, now=now)


def state(row: Row, *, now: float) -> KeyState | None:
    """Return the state of the key of this row; None if it has none."""
    if row.key is None:
        return None
    return key_state(row.key, _holder(row), was_freed=row.key_is_free, now=now)


def _answer(row: Row, acceptance: Acceptance, *, now: float) -> Accepted:
    status = row.reads(now).status if acceptance in SHOWN else None
    return Accepted(id=row.task.id, acceptance=acceptance, status=status)


def _holder(row: Row) -> Holder:
    return Holder.of(
        row.task,
        stored_until(row.key_rule),
        is_held=row.lease is not None,
        fingerprint=row.fingerprint,
    )
