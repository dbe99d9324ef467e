"""The histories of tasks in memory: their attempts, and what these have logged."""

from taskqueue.rules.edits import MAX_EDITS
from taskqueue.rules.logs import LogPage
from taskqueue.rules.tasks import TaskHistory
from taskqueue.storage.limits import MAX_ATTEMPTS, logs_within
from taskqueue.storage.memory import keys
from taskqueue.storage.memory.part import MemoryPart


class MemoryHistories(MemoryPart):
    """The part of the model that shows one task."""

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        self._require_open()
        row = self._table.rows.get(task_id)
        if row is None:
            return None
        return TaskHistory(
            task=row.reads(now),
            attempts=tuple(row.attempts[-MAX_ATTEMPTS:]),
            edits=tuple(row.edits[-MAX_EDITS:]),
            key=keys.state(row, now=now),
            flow=row.flow,
            is_held=row.lease is not None,
        )

    async def logs(
        self, task_id: str, *, before: int | None = None, max_bytes: int
    ) -> LogPage | None:
        self._require_open()
        row = self._table.rows.get(task_id)
        if row is None:
            return None
        places = [*enumerate(row.logs)][:before]
        attempts, following = logs_within(reversed(places), max_bytes)
        return LogPage(attempts=attempts, next=following)
