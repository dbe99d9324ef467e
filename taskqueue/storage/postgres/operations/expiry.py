"""Expiry inside a transaction: tasks that nothing has begun in time."""

from taskqueue.rules.expiry import EXPIRED, ExpiredTask
from taskqueue.rules.tasks import Status
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.operations.cancelling import end_waiting
from taskqueue.storage.postgres.transaction import Transaction

_MAY_EXPIRE = """
start_by IS NOT NULL AND token IS NULL AND processed_at IS NULL
    AND attempt = 0 AND started_at IS NULL
"""
_NEXT = f"""
SELECT start_by FROM taskqueue.live_tasks WHERE {_MAY_EXPIRE} ORDER BY start_by LIMIT 1
"""  # noqa: S608
# What another node expires or claims at the same time is left to it.
_EXPIRED = f"""
SELECT seq, id, action, queue, status, group_name, CASE WHEN gate IS NULL THEN limits END
FROM taskqueue.live_tasks WHERE {_MAY_EXPIRE} AND start_by <= $1
ORDER BY start_by, id LIMIT $2 FOR UPDATE SKIP LOCKED
"""  # noqa: S608


async def next_expiry(db: SQL) -> float | None:
    """Return when the first of the tasks expires that may."""
    at: float | None = await db.fetchval(_NEXT)
    return at


async def expire_waiting(tx: Transaction, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
    """End the tasks that expired first."""
    found = await tx.db.fetch(_EXPIRED, now, limit)
    if not found:
        return ()
    await end_waiting(tx, [row[0] for row in found], reason=EXPIRED, now=now)
    expired = []
    for _, task_id, action, queue, status, group, limits_of_open in found:
        await tx.gates.let_go(limits_of_open, now=now)
        tx.moved(status, Status.CANCELLED)
        tx.member_moved(group, status, Status.CANCELLED, now=now)
        expired.append(ExpiredTask(id=task_id, action=action, queue=queue))
    return tuple(expired)
