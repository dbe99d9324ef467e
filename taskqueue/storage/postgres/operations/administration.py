"""What the verbs about queues and statuses do, in a transaction or on a connection that reads."""

from collections import Counter
from collections.abc import Mapping

from msgspec import UNSET

from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import Status
from taskqueue.storage.postgres.connections import SQL, Row
from taskqueue.storage.postgres.operations import groups
from taskqueue.storage.postgres.sql import changing, counters
from taskqueue.storage.postgres.transaction import Transaction

_PAUSE = "INSERT INTO taskqueue.paused (queue, paused_at) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_RESUME = "DELETE FROM taskqueue.paused WHERE queue = $1"
_PAUSED = "SELECT queue, paused_at FROM taskqueue.paused"
# Whether a number is changed is said beside it: one that another node sets meanwhile is left alone.
_SET_SIZE = """
INSERT INTO taskqueue.consumer_sizes (pool, consumers, slots) VALUES ($1, $2, $3)
ON CONFLICT (pool) DO UPDATE SET
    consumers = CASE WHEN $4 THEN excluded.consumers ELSE consumer_sizes.consumers END,
    slots = CASE WHEN $5 THEN excluded.slots ELSE consumer_sizes.slots END
"""
_FORGET_SIZE = """
DELETE FROM taskqueue.consumer_sizes WHERE pool = $1 AND consumers IS NULL AND slots IS NULL
"""
_SIZES = "SELECT pool, consumers, slots FROM taskqueue.consumer_sizes"

# What is in no partition that will be dropped. What another node deletes at the same time is left
# to it.
_EXPIRE = """
WITH old AS MATERIALIZED (
    SELECT ctid FROM taskqueue.{table} WHERE processed_at < $1
    ORDER BY processed_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM taskqueue.{table} AS tasks USING old WHERE tasks.ctid = old.ctid
RETURNING tasks.seq, tasks.group_name
"""
_DEPTHS = """
SELECT queue, status, count(*) FROM taskqueue.live_tasks
WHERE status <> 'running' AND status IN ('queued', 'scheduled', 'retrying')
GROUP BY queue, status
UNION ALL
SELECT queue, status, count(*) FROM taskqueue.live_tasks
WHERE token IS NOT NULL AND status = 'running' GROUP BY queue, status
"""


async def pause(tx: Transaction, queue: str, *, now: float) -> None:
    """Note that nothing of the queue may be claimed, unless that is noted."""
    await tx.db.execute(_PAUSE, queue, now)
    tx.is_news = True


async def resume(tx: Transaction, queue: str) -> None:
    """Take that note away."""
    await tx.db.execute(_RESUME, queue)
    tx.is_news = True


async def set_size(tx: Transaction, pool: str, change: SizeChange) -> None:
    """Change what is noted of the size of a pool; what notes nothing is taken away."""
    noted = SetSize().changed(change)
    is_changed = (change.count is not UNSET, change.slots is not UNSET)
    await tx.db.execute(_SET_SIZE, pool, noted.count, noted.slots, *is_changed)
    await tx.db.execute(_FORGET_SIZE, pool)
    tx.is_news = True


async def expire(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
    """Delete the tasks that ended first and lie in no partition of their own; return how many.

    With their history. Groups that were closed without a task go like one that completed.
    """
    found: list[Row] = []
    for table in (f"{status}_tasks_past", f"{status}_tasks_rest"):
        text = _EXPIRE.format(table=table)
        found += await tx.db.fetch(text, ended_before, limit - len(found))
    if found:
        await tx.db.execute(changing.DELETE_ATTEMPTS, [seq for seq, _ in found])
    tx.moved(status, None, len(found))
    for _, group in found:
        tx.member_moved(group, status, None)
    if status is Status.COMPLETED:
        await groups.expire_empty(tx, ended_before=ended_before, limit=limit)
    return len(found)


async def counts(db: SQL) -> Mapping[Status, int]:
    """Return the counters, summed over their shards."""
    row = await db.fetchrow(counters.COUNTS)
    return dict(zip(Status, row or (), strict=True))


async def depths(db: SQL) -> Mapping[str, Mapping[Status, int]]:
    """Count the tasks that have not ended."""
    found: dict[str, Counter[Status]] = {}
    for queue, status, tasks in await db.fetch(_DEPTHS):
        found.setdefault(queue, Counter())[Status(status)] += tasks
    return found


async def paused(db: SQL) -> Mapping[str, float]:
    """Return the paused queues, and since when."""
    return dict(await db.fetch(_PAUSED))


async def sizes(db: SQL) -> Mapping[str, SetSize]:
    """Return what is kept of the sizes of pools."""
    return {
        pool: SetSize(count=count, slots=slots) for pool, count, slots in await db.fetch(_SIZES)
    }
