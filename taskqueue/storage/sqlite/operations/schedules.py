"""What the verbs about schedules do, in a transaction or on a connection that reads.

The rules decide how a schedule changes. Here its row is read and written, in one transaction.
"""

import sqlite3
from collections.abc import Sequence

from msgspec.structs import replace

from taskqueue.rules.schedules import changes, deciding
from taskqueue.rules.schedules.changes import Declaration
from taskqueue.rules.schedules.values import (
    Declared,
    FireAnswer,
    Fired,
    Firing,
    Passed,
    Schedule,
    ScheduleHistory,
)
from taskqueue.rules.schedules.words import Decision, Overlap, Slot, SlotOutcome
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations import administration, inserting
from taskqueue.storage.sqlite.sql import schedules as sql


def every(db: sqlite3.Connection) -> tuple[Schedule, ...]:
    """Return all schedules by name."""
    return tuple(map(sql.schedule_of, db.execute(sql.ALL).fetchall()))


def history(db: sqlite3.Connection, name: str, slots: int) -> ScheduleHistory | None:
    """Return a schedule with its latest slots."""
    schedule = _schedule(db, name)
    if schedule is None:
        return None
    rows = db.execute(sql.LATEST_SLOTS, (name, slots)).fetchall()
    return ScheduleHistory(schedule=schedule, slots=tuple(map(sql.slot_of, rows)))


def put(
    tx: Transaction, declared: Declared, *, expected: int | None, now: float
) -> Schedule | None:
    """Create a schedule, or replace its plan."""
    before = _schedule(tx.db, declared.name)
    version = 0 if before is None else before.version
    if expected is not None and expected != version:
        return None
    after = changes.put(before, declared, now=now)
    if changes.drops_waiting(before, after):
        tx.db.execute(sql.SKIP_WAITING, (declared.name, deciding.NOT_QUEUED))
        after = replace(after, waiting_from=None)
    return _kept(tx, after)


def declare(tx: Transaction, declared: Sequence[Declared], *, now: float) -> Declaration:
    """Have exactly these schedules of code and file."""
    stored = {schedule.name: schedule for schedule in every(tx.db)}
    declaration = changes.declare(stored, declared, now=now)
    for schedule in declaration.changed:
        sql.kept(tx.db, schedule)
        if changes.drops_waiting(stored.get(schedule.name), schedule):
            tx.db.execute(sql.SKIP_WAITING, (schedule.name, deciding.NOT_QUEUED))
    for name in declaration.undeclared:
        tx.db.execute(sql.SKIP_WAITING, (name, deciding.PAUSED))
    return declaration


def pause(tx: Transaction, name: str, *, reason: str | None, now: float) -> Schedule | None:
    """Pause a schedule, and skip what waits."""
    before = _schedule(tx.db, name)
    if before is None:
        return None
    tx.db.execute(sql.SKIP_WAITING, (name, deciding.PAUSED))
    return _kept(tx, changes.paused(replace(before, waiting_from=None), reason, now=now))


def resume(tx: Transaction, name: str, *, now: float) -> Schedule | None:
    """Let the slots after `now` run."""
    before = _schedule(tx.db, name)
    return None if before is None else _kept(tx, changes.resumed(before, now=now))


def delete(tx: Transaction, name: str) -> bool:
    """Delete a schedule with its slots."""
    tx.db.execute(sql.DELETE_SLOTS, (name,))
    return tx.db.execute(sql.DELETE, (name,)).rowcount == 1


def fire(tx: Transaction, firing: Firing, *, now: float) -> Fired:
    """Decide a slot, and insert its task if it runs."""
    schedule = _schedule(tx.db, firing.schedule)
    key = (firing.schedule, firing.slot, firing.run_now)
    known = tx.db.execute(sql.SLOT, key).fetchone()
    is_decided = known is not None and sql.slot_of(known).outcome is not SlotOutcome.WAITING
    answer = deciding.refusal(schedule, firing, is_decided=is_decided)
    if schedule is None or answer is FireAnswer.STALE:
        return Fired(answer=FireAnswer.STALE)
    if answer is not None:
        _move_on(tx, schedule, firing, now=now)
        return Fired(answer=answer)
    return _decide(tx, schedule, firing, waits=known is not None, now=now)


def _decide(
    tx: Transaction, schedule: Schedule, firing: Firing, *, waits: bool, now: float
) -> Fired:
    unfinished, waiting = _earlier(tx, schedule, firing)
    found = deciding.resolution(firing, schedule.plan.overlap, unfinished, waiting)
    if waits and found.outcome is SlotOutcome.WAITING:
        _move_on(tx, schedule, firing, now=now)
        return Fired(answer=FireAnswer.REPEATED)
    cancelled = administration.cancel(
        tx, found.cancel, reason=deciding.cancel_reason(schedule), now=now
    )
    task_id, is_new = None, False
    if firing.task is not None and found.outcome is SlotOutcome.FIRED:
        [answer] = inserting.insert(tx, (firing.task,), now=now)
        found, task_id = deciding.accepted(found, answer)
        is_new = task_id == firing.task.id
    slot = Slot(
        at=firing.slot,
        outcome=found.outcome,
        decided_at=now,
        reason=found.reason,
        task_id=task_id,
        run_now=firing.run_now,
    )
    sql.enter(tx.db, schedule.name, slot)
    decision = Decision(slot=firing.slot, outcome=found.outcome, at=now, reason=found.reason)
    _kept(tx, deciding.decided(schedule, decision, run_now=firing.run_now))
    return Fired(
        answer=FireAnswer.DECIDED,
        decision=decision,
        task_id=task_id,
        is_new=is_new,
        cancelled=cancelled,
    )


def _move_on(tx: Transaction, schedule: Schedule, firing: Firing, *, now: float) -> None:
    after = deciding.moved_on(schedule, firing, now=now)
    if after != schedule:
        _kept(tx, after)


def _earlier(tx: Transaction, schedule: Schedule, firing: Firing) -> tuple[list[str], int]:
    """Return the tasks of other slots that have not ended, and how many earlier slots wait.

    There may be many that may overlap, and nothing depends on them: they are not looked for.
    """
    if schedule.plan.overlap is Overlap.ALLOW:
        return [], 0
    tx.db.execute(sql.CLOSE_ENDED, (schedule.name,))
    running = tx.db.execute(sql.RUNNING, (schedule.name, firing.slot)).fetchall()
    earlier = (schedule.name, firing.slot, deciding.MAX_WAITING)
    [waiting] = tx.db.execute(sql.WAITING, earlier).fetchone()
    return [task_id for (task_id,) in running], waiting


def pass_over(tx: Transaction, passed: Passed, *, now: float) -> bool:
    """Note that slots were missed."""
    schedule = _schedule(tx.db, passed.schedule)
    if schedule is None or not deciding.may_pass(schedule, passed):
        return False
    slot, decision = deciding.passed_over(passed, now=now)
    if tx.db.execute(sql.SLOT, (schedule.name, slot.at, False)).fetchone() is None:
        sql.enter(tx.db, schedule.name, slot)
    _kept(tx, deciding.decided(schedule, decision, slots=passed.slots))
    return True


def rewind(tx: Transaction, *, now: float) -> tuple[str, ...]:
    """Begin again at `now` where an instant lies ahead of it."""
    before = every(tx.db)
    after = [changes.rewound(each, now=now) for each in before]
    moved = [each for each, was in zip(after, before, strict=True) if each != was]
    for schedule in moved:
        sql.kept(tx.db, schedule)
    return tuple(schedule.name for schedule in moved)


def trim(tx: Transaction, *, before: float, limit: int) -> int:
    """Delete old slots, schedule by schedule."""
    left = limit
    for schedule in every(tx.db):
        tx.db.execute(sql.CLOSE_ENDED, (schedule.name,))
        left -= tx.db.execute(sql.TRIM, (schedule.name, before, left)).rowcount
    return limit - left


def _schedule(db: sqlite3.Connection, name: str) -> Schedule | None:
    row = db.execute(sql.ONE, (name,)).fetchone()
    return None if row is None else sql.schedule_of(row)


def _kept(tx: Transaction, schedule: Schedule) -> Schedule:
    sql.kept(tx.db, schedule)
    return schedule
