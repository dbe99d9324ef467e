"""What an operator works with, in memory: pauses, counts and retention."""

from collections.abc import Mapping

from taskqueue.rules.tasks import ENDED, Status
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory.part import MemoryPart


class MemoryAdministration(MemoryPart):
    """The part of the model that concerns queues and statuses as a whole."""

    async def pause(self, queue: str, *, now: float) -> None:
        self._require_open()
        self._table.paused.setdefault(queue, now)

    async def resume(self, queue: str) -> None:
        self._require_open()
        self._table.paused.pop(queue, None)

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        if status not in ENDED:
            raise ValueError(f"{status} is not an end")
        check_limit(limit)
        self._require_open()
        return self._table.expire(status, ended_before=ended_before, limit=limit)

    async def counts(self) -> Mapping[Status, int]:
        self._require_open()
        return self._table.counts()

    async def depths(self) -> Mapping[str, Mapping[Status, int]]:
        self._require_open()
        return self._table.depths()

    async def paused(self) -> Mapping[str, float]:
        self._require_open()
        return dict(self._table.paused)
