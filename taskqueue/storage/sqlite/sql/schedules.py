# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL about schedules and their slots."""

import sqlite3
from typing import Any

import msgspec

from taskqueue.rules.schedules.values import Plan, Schedule
from taskqueue.rules.schedules.words import Decision, Origin, Slot, SlotOutcome
from taskqueue.rules.tasks import Status

_COLUMNS = (
    "name, origin, plan, active_from, decided_to, created_at, changed_at, version, is_declared, "
    "paused_at, pause_reason, fired, skipped, missed, last"
)
_RUNS = "is_open AND outcome = 'fired'"
_WAITS = "is_open AND outcome = 'waiting'"
_SCHEDULES = f"""
SELECT {_COLUMNS}, (
    SELECT min(at) FROM main.schedule_slots INDEXED BY waiting_slots
    WHERE schedule = name AND {_WAITS}
) FROM main.task_schedules
"""
ALL = f"{_SCHEDULES} ORDER BY name"
ONE = f"{_SCHEDULES} WHERE name = ?"
KEEP = f"INSERT OR REPLACE INTO main.task_schedules ({_COLUMNS}) VALUES ({','.join('?' * 15)})"
DELETE = "DELETE FROM main.task_schedules WHERE name = ?"
DELETE_SLOTS = "DELETE FROM main.schedule_slots WHERE schedule = ?"

_SLOT = "at, outcome, decided_at, reason, task_id, slots, run_now"
SLOT = (
    f"SELECT {_SLOT}, NULL FROM main.schedule_slots WHERE schedule = ? AND at = ? AND run_now = ?"
)
LATEST_SLOTS = f"""
SELECT {_SLOT}, (SELECT status FROM main.tasks WHERE id = task_id)
FROM main.schedule_slots WHERE schedule = ? ORDER BY at DESC, run_now DESC LIMIT ?
"""
ENTER = f"""
INSERT OR REPLACE INTO main.schedule_slots (schedule, is_open, {_SLOT})
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
# Settlements do not know of slots, so that a task pays nothing for them: what has ended is found
# here, by the schedule's next slot.
CLOSE_ENDED = f"""
UPDATE main.schedule_slots INDEXED BY running_slots SET is_open = 0
WHERE schedule = ? AND {_RUNS} AND NOT EXISTS (
    SELECT 1 FROM main.tasks WHERE id = task_id AND processed_at IS NULL
)
"""
RUNNING = f"""
SELECT task_id FROM main.schedule_slots INDEXED BY running_slots
WHERE schedule = ?1 AND {_RUNS} AND at <> ?2 ORDER BY at
"""
WAITING = f"""
SELECT count(*) FROM (
    SELECT 1 FROM main.schedule_slots INDEXED BY waiting_slots
    WHERE schedule = ?1 AND {_WAITS} AND at < ?2 LIMIT ?3
)
"""
SKIP_WAITING = f"""
UPDATE main.schedule_slots INDEXED BY waiting_slots
SET outcome = 'skipped', reason = ?2, is_open = 0
WHERE schedule = ?1 AND {_WAITS}
"""
TRIM = """
DELETE FROM main.schedule_slots WHERE (schedule, at, run_now) IN (
    SELECT schedule, at, run_now FROM main.schedule_slots AS old
    WHERE schedule = ?1 AND at < ?2 AND NOT is_open
        AND at < (SELECT max(at) FROM main.schedule_slots WHERE schedule = ?1)
    ORDER BY at LIMIT ?3
)
"""

_plan = msgspec.json.Decoder(Plan)
_decision = msgspec.json.Decoder(Decision)


def kept(db: sqlite3.Connection, schedule: Schedule) -> None:
    """Write a schedule."""
    row = (
        schedule.name,
        schedule.origin.value,
        msgspec.json.encode(schedule.plan).decode(),
        schedule.active_from,
        schedule.decided_to,
        schedule.created_at,
        schedule.changed_at,
        schedule.version,
        schedule.is_declared,
        schedule.paused_at,
        schedule.pause_reason,
        schedule.fired,
        schedule.skipped,
        schedule.missed,
        None if schedule.last is None else msgspec.json.encode(schedule.last).decode(),
    )
    db.execute(KEEP, row)


def schedule_of(row: tuple[Any, ...]) -> Schedule:
    """Return the schedule that a row is."""
    name, origin, plan, active_from, decided_to, created_at, changed_at, version, *more = row
    is_declared, paused_at, pause_reason, fired, skipped, missed, last, waiting_from = more
    return Schedule(
        name=name,
        origin=Origin(origin),
        plan=_plan.decode(plan),
        active_from=active_from,
        decided_to=decided_to,
        created_at=created_at,
        changed_at=changed_at,
        version=version,
        is_declared=bool(is_declared),
        paused_at=paused_at,
        pause_reason=pause_reason,
        fired=fired,
        skipped=skipped,
        missed=missed,
        last=None if last is None else _decision.decode(last),
        waiting_from=waiting_from,
    )


def enter(db: sqlite3.Connection, schedule: str, slot: Slot) -> None:
    """Write what was decided for a slot."""
    is_open = slot.task_id is not None or slot.outcome is SlotOutcome.WAITING
    values = (slot.at, slot.outcome.value, slot.decided_at, slot.reason, slot.task_id)
    db.execute(ENTER, (schedule, is_open, *values, slot.slots, slot.run_now))


def slot_of(row: tuple[Any, ...]) -> Slot:
    """Return the slot that a row is."""
    at, outcome, decided_at, reason, task_id, slots, run_now, status = row
    return Slot(
        at=at,
        outcome=SlotOutcome(outcome),
        decided_at=decided_at,
        reason=reason,
        task_id=task_id,
        slots=slots,
        run_now=bool(run_now),
        status=None if status is None else Status(status),
    )
