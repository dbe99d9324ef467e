"""What the verbs about schedules do, in a transaction or on a connection that reads.

The rules decide how a schedule changes. Here its row is read and written, in one transaction, which
no other that decides about schedules runs beside.
"""

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
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.operations import cancelling, inserting
from taskqueue.storage.postgres.sql import schedules as sql
from taskqueue.storage.postgres.transaction import Transaction


async def every(db: SQL) -> tuple[Schedule, ...]:
    """Return all schedules by name."""
    return tuple(map(sql.schedule_of, await db.fetch(sql.ALL)))


async def history(db: SQL, name: str, slots: int) -> ScheduleHistory | None:
    """Return a schedule with its latest slots."""
    schedule = await _schedule(db, name)
    if schedule is None:
        return None
    rows = await db.fetch(sql.LATEST_SLOTS, name, slots)
    return ScheduleHistory(schedule=schedule, slots=tuple(map(sql.slot_of, rows)))


async def put(
    tx: Transaction, declared: Declared, *, expected: int | None, now: float
) -> Schedule | None:
    """Create a schedule, or replace its plan."""
    await tx.db.execute(sql.LOCK)
    before = await _schedule(tx.db, declared.name)
    version = 0 if before is None else before.version
    if expected is not None and expected != version:
        return None
    after = changes.put(before, declared, now=now)
    if changes.drops_waiting(before, after):
        await tx.db.execute(sql.SKIP_WAITING, declared.name, deciding.NOT_QUEUED)
        after = replace(after, waiting_from=None)
    return await _kept(tx, after)


async def declare(tx: Transaction, declared: Sequence[Declared], *, now: float) -> Declaration:
    """Have exactly these schedules of code and file."""
    await tx.db.execute(sql.LOCK)
    stored = {schedule.name: schedule for schedule in await every(tx.db)}
    declaration = changes.declare(stored, declared, now=now)
    for schedule in declaration.changed:
        await sql.kept(tx.db, schedule)
        if changes.drops_waiting(stored.get(schedule.name), schedule):
            await tx.db.execute(sql.SKIP_WAITING, schedule.name, deciding.NOT_QUEUED)
    for name in declaration.undeclared:
        await tx.db.execute(sql.SKIP_WAITING, name, deciding.PAUSED)
    return declaration


async def pause(tx: Transaction, name: str, *, reason: str | None, now: float) -> Schedule | None:
    """Pause a schedule, and skip what waits."""
    await tx.db.execute(sql.LOCK)
    before = await _schedule(tx.db, name)
    if before is None:
        return None
    await tx.db.execute(sql.SKIP_WAITING, name, deciding.PAUSED)
    return await _kept(tx, changes.paused(replace(before, waiting_from=None), reason, now=now))


async def resume(tx: Transaction, name: str, *, now: float) -> Schedule | None:
    """Let the slots after `now` run."""
    await tx.db.execute(sql.LOCK)
    before = await _schedule(tx.db, name)
    return None if before is None else await _kept(tx, changes.resumed(before, now=now))


async def delete(tx: Transaction, name: str) -> bool:
    """Delete a schedule with its slots."""
    await tx.db.execute(sql.LOCK)
    await tx.db.execute(sql.DELETE_SLOTS, name)
    return changed_rows(await tx.db.execute(sql.DELETE, name)) == 1


async def fire(tx: Transaction, firing: Firing, *, now: float) -> Fired:
    """Decide a slot, and insert its task if it runs."""
    await tx.db.execute(sql.LOCK)
    schedule = await _schedule(tx.db, firing.schedule)
    key = (firing.schedule, firing.slot, firing.run_now)
    known = await tx.db.fetchrow(sql.SLOT, *key)
    is_decided = known is not None and sql.slot_of(known).outcome is not SlotOutcome.WAITING
    answer = deciding.refusal(schedule, firing, is_decided=is_decided)
    if schedule is None or answer is FireAnswer.STALE:
        return Fired(answer=FireAnswer.STALE)
    if answer is not None:
        await _move_on(tx, schedule, firing, now=now)
        return Fired(answer=answer)
    return await _decide(tx, schedule, firing, waits=known is not None, now=now)


async def _decide(
    tx: Transaction, schedule: Schedule, firing: Firing, *, waits: bool, now: float
) -> Fired:
    unfinished, waiting = await _earlier(tx, schedule, firing)
    found = deciding.resolution(firing, schedule.plan.overlap, unfinished, waiting)
    if waits and found.outcome is SlotOutcome.WAITING:
        await _move_on(tx, schedule, firing, now=now)
        return Fired(answer=FireAnswer.REPEATED)
    cancelled = await cancelling.cancel(
        tx, found.cancel, reason=deciding.cancel_reason(schedule), now=now
    )
    task_id, is_new = None, False
    if firing.task is not None and found.outcome is SlotOutcome.FIRED:
        [answer] = await inserting.insert(tx, (firing.task,), now=now)
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
    await sql.enter(tx.db, schedule.name, slot)
    decision = Decision(slot=firing.slot, outcome=found.outcome, at=now, reason=found.reason)
    await _kept(tx, deciding.decided(schedule, decision, run_now=firing.run_now))
    return Fired(
        answer=FireAnswer.DECIDED,
        decision=decision,
        task_id=task_id,
        is_new=is_new,
        cancelled=cancelled,
    )


async def _move_on(tx: Transaction, schedule: Schedule, firing: Firing, *, now: float) -> None:
    after = deciding.moved_on(schedule, firing, now=now)
    if after != schedule:
        await _kept(tx, after)


async def _earlier(tx: Transaction, schedule: Schedule, firing: Firing) -> tuple[list[str], int]:
    """Return the tasks of other slots that have not ended, and how many earlier slots wait.

    There may be many that may overlap, and nothing depends on them: they are not looked for.
    """
    if schedule.plan.overlap is Overlap.ALLOW:
        return [], 0
    await tx.db.execute(sql.CLOSE_ENDED, schedule.name)
    running = await tx.db.fetch(sql.RUNNING, schedule.name, firing.slot)
    waiting = await tx.db.fetchval(sql.WAITING, schedule.name, firing.slot, deciding.MAX_WAITING)
    return [task_id for (task_id,) in running], waiting


async def pass_over(tx: Transaction, passed: Passed, *, now: float) -> bool:
    """Note that slots were missed."""
    await tx.db.execute(sql.LOCK)
    schedule = await _schedule(tx.db, passed.schedule)
    if schedule is None or not deciding.may_pass(schedule, passed):
        return False
    slot, decision = deciding.passed_over(passed, now=now)
    if await tx.db.fetchrow(sql.SLOT, schedule.name, slot.at, False) is None:
        await sql.enter(tx.db, schedule.name, slot)
    await _kept(tx, deciding.decided(schedule, decision, slots=passed.slots))
    return True


async def rewind(tx: Transaction, *, now: float) -> tuple[str, ...]:
    """Begin again at `now` where an instant lies ahead of it."""
    await tx.db.execute(sql.LOCK)
    before = await every(tx.db)
    after = [changes.rewound(each, now=now) for each in before]
    moved = [each for each, was in zip(after, before, strict=True) if each != was]
    for schedule in moved:
        await sql.kept(tx.db, schedule)
    return tuple(schedule.name for schedule in moved)


async def trim(tx: Transaction, *, before: float, limit: int) -> int:
    """Delete old slots, schedule by schedule."""
    await tx.db.execute(sql.LOCK)
    left = limit
    for schedule in await every(tx.db):
        await tx.db.execute(sql.CLOSE_ENDED, schedule.name)
        left -= changed_rows(await tx.db.execute(sql.TRIM, schedule.name, before, left))
    return limit - left


async def _schedule(db: SQL, name: str) -> Schedule | None:
    row = await db.fetchrow(sql.ONE, name)
    return None if row is None else sql.schedule_of(row)


async def _kept(tx: Transaction, schedule: Schedule) -> Schedule:
    await sql.kept(tx.db, schedule)
    return schedule
