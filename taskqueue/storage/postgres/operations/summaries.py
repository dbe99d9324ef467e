"""What the verbs that sum up tasks ask, of whatever is committed."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.summaries import NO_REASON, Counts, DeadGroup, QueueLimit
from taskqueue.rules.tasks import Status
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.operations import searching
from taskqueue.storage.postgres.sql import pages, parking, summaries

_MOST_PARKED = 1_000  # pairs of a gate and a queue
_ORDER = pages.ORDERS[Sort.NEWEST]


async def dead_groups(
    db: SQL, *, action: str | None, queue: str | None, limit: int
) -> tuple[DeadGroup, ...]:
    """Group all dead tasks by action and error."""
    return tuple(
        DeadGroup(
            action=of_action,
            error=error,
            tasks=tasks,
            queues=tuple(sorted(queues)),
            latest_at=latest_at,
            example_id=example_id,
            example=reason or NO_REASON,
        )
        for of_action, error, tasks, queues, latest_at, example_id, reason in await db.fetch(
            summaries.DEAD_GROUPS, action, queue, limit
        )
    )


async def heads(db: SQL, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
    """Return what the payloads of these tasks begin with."""
    return dict(await db.fetch(summaries.HEADS, list(task_ids), length))


async def queue_limits(db: SQL) -> tuple[QueueLimit, ...]:
    """Return which limits hold back tasks of which queues."""
    waiting: Counter[tuple[str, str]] = Counter()
    for gate, queue, tasks in await db.fetch(summaries.PARKED, _MOST_PARKED, MOST_COUNTED):
        waiting[queue, gate.partition("/")[0]] += tasks
    running = {
        name: await db.fetchval(parking.HELD_OF_LIMIT, name)
        for name in {name for _, name in waiting}
    }
    return tuple(
        QueueLimit(queue=queue, name=name, running=running[name], waiting=min(tasks, MOST_COUNTED))
        for (queue, name), tasks in sorted(waiting.items())
    )


async def count(db: SQL, wanted: TaskFilter, *, most: int, max_rows: int, now: float) -> Counts:
    """Count the tasks that match, by status."""
    tasks: dict[Status, int] = {}
    more: set[Status] = set()
    for status in wanted.statuses or Status:
        of_status = replace(wanted, statuses=(status,))
        found, is_cut = await _count(db, of_status, most=most + 1, max_rows=max_rows, now=now)
        tasks[status] = min(found, most)
        if is_cut or found > most:
            more.add(status)
    return Counts(tasks=tasks, more=frozenset(more))


async def _count(
    db: SQL, wanted: TaskFilter, *, most: int, max_rows: int, now: float
) -> tuple[int, bool]:
    """Return how many tasks match up to `most`, and whether not all rows were looked at."""
    if wanted.unique_key is not None:
        return len(await searching.of_key(db, wanted, _ORDER, None, now=now)), False
    if wanted.conditions():
        ids, looked_to = await searching.matching(
            db, wanted, _ORDER, None, limit=most, max_rows=max_rows, now=now
        )
        return len(ids), looked_to is not None
    return len(await searching.ids_of(db, wanted, _ORDER, None, most, now=now)), False
