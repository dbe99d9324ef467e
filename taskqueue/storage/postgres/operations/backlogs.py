"""What waits in queues, in what is committed."""

from collections.abc import AsyncIterator, Mapping, Sequence

from taskqueue.rules.turns import FIRST_PLACE, Flow, FlowPlace
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import ready, turns


async def count_due(db: SQL, queues: Sequence[str], *, limit: int, now: float) -> Mapping[str, int]:
    """Return how many tasks of each queue are due and not held back by a limit, up to `limit`."""
    return {queue: await _count_due(db, queue, limit, now=now) for queue in queues}


async def _count_due(db: SQL, queue: str, limit: int, *, now: float) -> int:
    found: int = await db.fetchval(ready.COUNT_DUE_TURNS, queue, now, limit)
    priority: int | None = ready.FIRST_OF_ALL
    while found < limit:
        priority = await db.fetchval(ready.PRIORITY_FROM, queue, priority)
        if priority is None:
            break
        found += await db.fetchval(ready.COUNT_DUE, queue, now, priority, limit - found)
        priority += 1
    return found


async def flows(db: SQL, queue: str, *, after: FlowPlace | None, limit: int) -> tuple[Flow, ...]:
    """Return the flows that have tasks waiting for their turns, by priority and name."""
    return tuple([flow async for flow in _flows(db, queue, after or FIRST_PLACE, limit)])


async def _flows(db: SQL, queue: str, after: FlowPlace, limit: int) -> AsyncIterator[Flow]:
    priority, name = after
    for _ in range(limit):
        found = await db.fetchrow(turns.NEXT_FLOW, queue, priority, name)
        if found is None:
            return
        priority, name, turn, served = found
        yield Flow(
            name=name,
            priority=priority,
            waiting=await db.fetchval(turns.COUNT_WAITING, queue, priority, name, MOST_COUNTED),
            next_turn=turn,
            served_turn=served,
        )
