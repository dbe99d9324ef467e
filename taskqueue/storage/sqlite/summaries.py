"""The verbs that sum up tasks."""

from collections.abc import Mapping, Sequence
from functools import partial

from taskqueue.rules.filters import TaskFilter
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit
from taskqueue.storage.limits import check_limit
from taskqueue.storage.sqlite.backlogs import SQLiteBacklogs
from taskqueue.storage.sqlite.operations import summaries
from taskqueue.storage.summaries import MAX_ROWS_COUNTED


class SQLiteSummaries(SQLiteBacklogs):
    """Groups, counts and beginnings, as indices of one file give them."""

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
        return await self._read(
            partial(summaries.count, wanted=wanted, most=most, max_rows=max_rows, now=now)
        )

    async def heads(self, task_ids: Sequence[str], *, length: int) -> Mapping[str, str]:
        return await self._read(partial(summaries.heads, task_ids=tuple(task_ids), length=length))

    async def queue_limits(self, *, now: float) -> tuple[QueueLimit, ...]:
        return await self._read(summaries.queue_limits)
