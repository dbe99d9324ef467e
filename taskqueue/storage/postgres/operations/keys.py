"""What happens inside a transaction when a new task meets the holder of its unique key.

Whether a hold is over is decided here, by the insert that needs the key. So claims and settlements
have nothing to do with keys. The holder's row is locked before it is looked at, because another
node may be about to claim or settle it.
"""

from taskqueue.rules.keys import SHOWN, Changed, Free, Holder, meeting
from taskqueue.rules.tasks import Acceptance, Accepted, NewTask, Status
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.operations.editing import edit
from taskqueue.storage.postgres.sql import keys as sql
from taskqueue.storage.postgres.sql import rows
from taskqueue.storage.postgres.transaction import Transaction


async def meet(tx: Transaction, task: NewTask, *, now: float) -> Accepted | None:
    """Resolve a collision of unique keys; return None if the holder has released the key."""
    found = await tx.db.fetchrow(sql.LOCK_HOLDER, task.unique_key)
    if found is None:  # an earlier task of this list has freed the key, or another commit
        return None
    seq, *values = found
    holder = _holder(tuple(values))
    met = meeting(task, holder, now=now)
    if isinstance(met, Free):
        await tx.db.execute(sql.FREE_KEY, seq)
        return None
    if isinstance(met, Changed):
        await edit(tx, holder.id, met.change, now=now)
        await tx.db.execute(sql.SET_EXPIRY, task.expires_at, seq)
        if met.change.payload is not None:
            await _replace(tx, seq, task, now=now)
        return await _answer(tx.db, seq, holder.id, met.acceptance, now=now)
    return await _answer(tx.db, seq, holder.id, met, now=now)


async def standing(db: SQL, task: NewTask, *, now: float) -> Accepted | None:
    """Say what answers for a task that must not be inserted, if that changes nothing."""
    found = await db.fetchrow(sql.HOLDER, task.unique_key)
    if found is None:
        return None
    seq, *values = found
    holder = _holder(tuple(values))
    met = meeting(task, holder, now=now)
    if isinstance(met, Free | Changed):
        return None
    return await _answer(db, seq, holder.id, met, now=now)


async def _replace(tx: Transaction, seq: int, task: NewTask, *, now: float) -> None:
    """Have a row count, and take turns, as the data says that it has now."""
    limits_before = await tx.db.fetchval(sql.LIMITS_OF, seq)
    replacing = (task.limits, task.flow, task.weight, seq, task.fingerprint)
    await tx.db.execute(sql.REPLACE, *replacing)
    await tx.gates.let_go(limits_before, now=now)


async def _answer(
    db: SQL, seq: int, holder: str, acceptance: Acceptance, *, now: float
) -> Accepted:
    if acceptance not in SHOWN:
        return Accepted(id=holder, acceptance=acceptance)
    [(status, run_at)] = await db.fetch(sql.STATUS_OF, seq)
    is_due = status == Status.SCHEDULED and run_at <= now
    return Accepted(
        id=holder, acceptance=acceptance, status=Status.QUEUED if is_due else Status(status)
    )


def _holder(row: Row) -> Holder:
    task_id, fingerprint, until, status, *rest = row
    is_held, attempt, started_at, created_at, run_at, queue = rest
    return Holder(
        id=task_id,
        fingerprint=fingerprint,
        until=rows.until_of(until),
        status=Status(status),
        is_held=is_held,
        attempt=attempt,
        started_at=started_at,
        created_at=created_at,
        run_at=run_at,
        queue=queue,
    )
