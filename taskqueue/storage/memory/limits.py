"""The verbs about limits, in memory."""

from collections.abc import Mapping

from taskqueue.rules.limits import GateFacts, KeyUsage, LimitUsage, LimitUse, LimitValues, Taken
from taskqueue.storage.limits import check_limit
from taskqueue.storage.memory.part import MemoryPart


class MemoryLimits(MemoryPart):
    """The part of the model that knows limits."""

    async def declare_limits(self, limits: Mapping[str, LimitValues], *, now: float) -> None:
        self._require_open()
        self._gates.declare(limits)

    async def change_limit(self, name: str, values: LimitValues | None, *, now: float) -> bool:
        self._require_open()
        return self._gates.change(name, values, now=now)

    async def take_starts(self, use: LimitUse, *, now: float) -> Taken | None:
        self._require_open()
        return self._gates.take(use, now=now)

    async def charge(self, use: LimitUse, *, now: float) -> bool:
        self._require_open()
        return self._gates.charge(use, now=now)

    async def limits(self, *, now: float) -> tuple[LimitUsage, ...]:
        self._require_open()
        return self._gates.usages(now=now)

    async def limit_keys(
        self, name: str, *, after: str | None = None, limit: int, now: float
    ) -> tuple[KeyUsage, ...]:
        check_limit(limit)
        self._require_open()
        return self._gates.keys(name, after=after, limit=limit, now=now)

    async def gate_of(self, task_id: str, *, now: float) -> GateFacts | None:
        self._require_open()
        return self._gates.facts(self._table.rows.get(task_id), now=now)

    async def next_due(self, queue: str) -> float | None:
        self._require_open()
        return self._gates.next_due(queue)

    async def all_due(self) -> Mapping[str, float]:
        self._require_open()
        return self._gates.all_due()
