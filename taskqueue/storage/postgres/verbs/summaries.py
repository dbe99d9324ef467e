"""The verbs about what waits in queues, and those that sum up tasks."""

from collections.abc import Mapping, Sequence
from functools import partial

from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit
from taskqueue.rules.turns import Flow, FlowPlace
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import backlogs, summaries
from taskqueue.storage.summaries import MAX_ROWS_COUNTED


class PostgresSummaries(PostgresLifecycle):
    """Backlogs, groups, counts and beginnings, all of one instant each."""

    async def count_due(
        self, queues: Sequence[str], *, limit: int, now: float
    ) -> Mapping[str, int]:
        check_limit(limit)
        return await self._read_snapshot(
            partial(backlogs.count_due, queues=tuple(queues), limit=limit, now=now)
        )

    async def flows(
        self, queue: str, *, after: FlowPlace | None = None, limit: int
    ) -> tuple[Flow, ...]:
        check_limit(limit)
        return await self._read_snapshot(
            partial(backlogs.flows, queue=queue, after=after, limit=limit)
        )

    async def dead_groups(
        self, *, action: str | None = None, queue: str | None = None, limit: int
    ) -> tuple[DeadGroup, ...]:
        check_limit(limit)
        return await self._read(
            partial(summaries.dead_groups, action=action, queue=queue, limit=limit)
        )

    async def count(
        self, wanted: TaskFilter, *, most: int, max_rows: int = MAX_ROWS_COUNTED, now: float
    ) -> Counts:
        check_limit(most)
        return await self._read_snapshot(
            partial(summaries.count, wanted=wanted, most=most, max_rows=max_rows, now=now)
        )

    async def heads(self, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
        return await self._read(partial(summaries.heads, task_ids=tuple(task_ids), length=length))

    async def queue_limits(self, *, now: float) -> tuple[QueueLimit, ...]:
        return await self._read_snapshot(summaries.queue_limits)
