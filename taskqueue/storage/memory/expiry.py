"""Expiry in memory: tasks that nothing has begun in time."""

from collections.abc import Iterator

from msgspec.structs import replace

from taskqueue.rules.expiry import EXPIRED, ExpiredTask, may_expire
from taskqueue.rules.tasks import ENDED, Status
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory.part import MemoryPart
from taskqueue.storage.memory.rows import Row


class MemoryExpiry(MemoryPart):
    """The part of the model that ends what has expired."""

    async def next_expiry(self) -> float | None:
        self._require_open()
        return min((at for at, _ in self._expiring()), default=None)

    async def expire_waiting(self, *, limit: int, now: float) -> tuple[ExpiredTask, ...]:
        check_limit(limit)
        self._require_open()
        due = sorted(
            ((at, row.task.id, row) for at, row in self._expiring() if at <= now),
            key=lambda found: found[:2],
        )
        expired = tuple(_expire(row, now=now) for _, _, row in due[:limit])
        self._turn_groups(now=now)
        return expired

    def _expiring(self) -> Iterator[tuple[float, Row]]:
        for row in self._table.rows.values():
            task = row.task
            waits = row.lease is None and task.status not in ENDED
            if waits and task.expires_at is not None and may_expire(task, attempt=0):
                yield task.expires_at, row


def _expire(row: Row, *, now: float) -> ExpiredTask:
    row.task = replace(row.task, status=Status.CANCELLED, reason=EXPIRED, processed_at=now)
    return ExpiredTask(id=row.task.id, action=row.task.action, queue=row.task.queue)
