"""What the verbs about queues and statuses do, in a transaction or on a connection that reads."""

from collections.abc import Mapping

from taskqueue.rules.tasks import Status
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import counters
from taskqueue.storage.postgres.transaction import Transaction


async def pause(tx: Transaction, queue: str, *, now: float) -> None:
    """Note that nothing of the queue may be claimed, unless that is noted."""
    raise NotImplementedError


async def resume(tx: Transaction, queue: str) -> None:
    """Take that note away."""
    raise NotImplementedError


async def set_size(tx: Transaction, pool: str, consumers: int | None) -> None:
    """Note how many consumers a pool is meant to have, or take that note away."""
    raise NotImplementedError


async def expire(tx: Transaction, status: Status, *, ended_before: float, limit: int) -> int:
    """Delete the tasks that ended first, with their history; return how many.

    Groups that were closed without a task go like one that completed: `groups.expire_empty`.
    """
    raise NotImplementedError


async def counts(db: SQL) -> Mapping[Status, int]:
    """Return the counters, summed over their shards."""
    row = await db.fetchrow(counters.COUNTS)
    return dict(zip(Status, row or (), strict=True))


async def depths(db: SQL) -> Mapping[str, Mapping[Status, int]]:
    """Count the tasks that have not ended."""
    raise NotImplementedError


async def paused(db: SQL) -> Mapping[str, float]:
    """Return the paused queues, and since when."""
    raise NotImplementedError


async def sizes(db: SQL) -> Mapping[str, int]:
    """Return the pools whose number of consumers is kept."""
    raise NotImplementedError
