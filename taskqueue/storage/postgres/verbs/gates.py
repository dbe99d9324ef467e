"""The verbs about limits."""

from collections.abc import Mapping
from functools import partial

from taskqueue.rules.limits import GateFacts, KeyUsage, LimitUsage, LimitUse, LimitValues, Taken
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import limiting


class PostgresGates(PostgresLifecycle):
    """Limits, as one database keeps them for all nodes."""

    async def declare_limits(self, limits: Mapping[str, LimitValues], *, now: float) -> None:
        await self._write(partial(limiting.declare, declared=dict(limits), now=now))

    async def change_limit(self, name: str, values: LimitValues | None, *, now: float) -> bool:
        return await self._write(partial(limiting.change, name=name, values=values, now=now))

    async def take_starts(self, use: LimitUse, *, now: float) -> Taken | None:
        return await self._write(partial(limiting.take, use=use, now=now))

    async def charge(self, use: LimitUse, *, now: float) -> bool:
        return await self._write(partial(limiting.charge, use=use, now=now))

    async def limits(self, *, now: float) -> tuple[LimitUsage, ...]:
        return await self._read_snapshot(limiting.all_limits)

    async def limit_keys(
        self, name: str, *, after: str | None = None, limit: int, now: float
    ) -> tuple[KeyUsage, ...]:
        check_limit(limit)
        return await self._read_snapshot(
            partial(limiting.keys_of, name=name, after=after, limit=limit, now=now)
        )

    async def gate_of(self, task_id: str, *, now: float) -> GateFacts | None:
        return await self._read_snapshot(partial(limiting.gate_of, task_id=task_id, now=now))
