# ruff: noqa: S608  the only texts put together here are this module's own
"""The SQL about schedules and their slots."""

import msgspec

from taskqueue.rules.schedules.values import Plan, Schedule
from taskqueue.rules.schedules.words import Decision, Origin, Slot, SlotOutcome
from taskqueue.rules.tasks import Status
from taskqueue.storage.postgres.connections import SQL, Row

_COLUMNS = (
    "name, origin, plan, active_from, decided_to, created_at, changed_at, version, is_declared, "
    "paused_at, pause_reason, fired, skipped, missed, last"
)
_RUNS = "is_open AND outcome = 'fired'"
_WAITS = "is_open AND outcome = 'waiting'"
_SCHEDULES = f"""
SELECT {_COLUMNS}, (
    SELECT min(at) FROM taskqueue.schedule_slots WHERE schedule = name AND {_WAITS}
) FROM taskqueue.task_schedules
"""
ALL = f"{_SCHEDULES} ORDER BY name"
ONE = f"{_SCHEDULES} WHERE name = $1"
_PLACES = ", ".join(f"${place}" for place in range(1, 16))
_EXCLUDED = ", ".join(
    f"{column} = excluded.{column}" for column in _COLUMNS.split(", ") if column != "name"
)
KEEP = f"""
INSERT INTO taskqueue.task_schedules ({_COLUMNS}) VALUES ({_PLACES})
ON CONFLICT (name) DO UPDATE SET {_EXCLUDED}
"""
DELETE = "DELETE FROM taskqueue.task_schedules WHERE name = $1"
DELETE_SLOTS = "DELETE FROM taskqueue.schedule_slots WHERE schedule = $1"

_SLOT = "at, outcome, decided_at, reason, task_id, slots, run_now"
SLOT = f"""
SELECT {_SLOT}, NULL FROM taskqueue.schedule_slots
WHERE schedule = $1 AND at = $2 AND run_now = $3
"""
LATEST_SLOTS = f"""
SELECT {_SLOT}, (SELECT status FROM taskqueue.tasks WHERE id = task_id)
FROM taskqueue.schedule_slots WHERE schedule = $1 ORDER BY at DESC, run_now DESC LIMIT $2
"""
ENTER = f"""
INSERT INTO taskqueue.schedule_slots (schedule, is_open, {_SLOT})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (schedule, at, run_now) DO UPDATE SET
    is_open = excluded.is_open, outcome = excluded.outcome, decided_at = excluded.decided_at,
    reason = excluded.reason, task_id = excluded.task_id, slots = excluded.slots
"""
# Settlements do not know of slots, so that a task pays nothing for them: what has ended is found
# here, by the schedule's next slot.
CLOSE_ENDED = f"""
UPDATE taskqueue.schedule_slots SET is_open = false
WHERE schedule = $1 AND {_RUNS} AND NOT EXISTS (
    SELECT 1 FROM taskqueue.live_tasks WHERE id = task_id
)
"""
RUNNING = f"""
SELECT task_id FROM taskqueue.schedule_slots
WHERE schedule = $1 AND {_RUNS} AND at <> $2 ORDER BY at
"""
WAITING = f"""
SELECT count(*) FROM (
    SELECT 1 FROM taskqueue.schedule_slots WHERE schedule = $1 AND {_WAITS} AND at < $2 LIMIT $3
) AS waiting
"""
SKIP_WAITING = f"""
UPDATE taskqueue.schedule_slots SET outcome = 'skipped', reason = $2, is_open = false
WHERE schedule = $1 AND {_WAITS}
"""
TRIM = """
DELETE FROM taskqueue.schedule_slots WHERE (schedule, at, run_now) IN (
    SELECT schedule, at, run_now FROM taskqueue.schedule_slots AS old
    WHERE schedule = $1 AND at < $2 AND NOT is_open
        AND at < (SELECT max(at) FROM taskqueue.schedule_slots WHERE schedule = $1)
    ORDER BY at LIMIT $3
)
"""

# One commit after another decides about schedules, on whatever node. They are few, and it is soon
# done; so no slot is decided twice, and no plan is overwritten with an older one.
LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('taskqueue.schedules', 0))"

_plan = msgspec.json.Decoder(Plan)
_decision = msgspec.json.Decoder(Decision)


async def kept(db: SQL, schedule: Schedule) -> None:
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
    await db.execute(KEEP, *row)


def schedule_of(row: Row) -> Schedule:
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


async def enter(db: SQL, schedule: str, slot: Slot) -> None:
    """Write what was decided for a slot."""
    is_open = slot.task_id is not None or slot.outcome is SlotOutcome.WAITING
    values = (slot.at, slot.outcome.value, slot.decided_at, slot.reason, slot.task_id)
    await db.execute(ENTER, schedule, is_open, *values, slot.slots, slot.run_now)


def slot_of(row: Row) -> Slot:
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
