"""The verbs that accept, show and change tasks by their ids."""

from collections.abc import Sequence
from functools import partial

from taskqueue.rules.edits import Change, EditResult
from taskqueue.rules.filters import MAX_ROWS, Found, Sort, TaskFilter
from taskqueue.rules.logs import LogPage
from taskqueue.rules.tasks import Accepted, CancelResult, NewTask, TaskHistory
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import (
    cancelling,
    editing,
    inserting,
    logs,
    reading,
    searching,
)


class PostgresTasks(PostgresLifecycle):
    """Tasks as their callers know them: by id."""

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        return await self._write(partial(inserting.insert, tasks=tuple(tasks), now=now))

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        return await self._write(
            partial(cancelling.cancel, task_ids=tuple(task_ids), reason=reason, now=now)
        )

    async def edit(
        self, task_id: str, change: Change, *, who: str | None = None, now: float
    ) -> EditResult:
        return await self._write(
            partial(editing.edit, task_id=task_id, change=change, who=who, now=now)
        )

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        return await self._write(partial(cancelling.redrive, task_ids=tuple(task_ids), now=now))

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        return await self._write(partial(cancelling.delete, task_ids=tuple(task_ids)))

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        return await self._read_snapshot(partial(reading.get, task_id=task_id, now=now))

    async def logs(
        self, task_id: str, *, before: int | None = None, max_bytes: int
    ) -> LogPage | None:
        return await self._read_snapshot(
            partial(logs.logs, task_id=task_id, before=before, max_bytes=max_bytes)
        )

    async def search(
        self,
        wanted: TaskFilter,
        *,
        after: str | None = None,
        sort: Sort = Sort.NEWEST,
        limit: int,
        now: float,
        max_rows: int = MAX_ROWS,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> Found:
        check_limit(limit)
        return await self._read_snapshot(
            partial(
                searching.search,
                wanted=wanted,
                after=after,
                sort=sort,
                limit=limit,
                now=now,
                max_rows=max_rows,
                max_bytes=max_bytes,
                brief=brief,
            )
        )
