"""The verbs about queues and statuses as a whole."""

from collections.abc import Mapping
from functools import partial

from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.rules.tasks import ENDED, Status
from taskqueue.storage.limits import check_limit
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import administration


class PostgresAdministration(PostgresLifecycle):
    """Pauses, sizes, counts and retention."""

    async def pause(self, queue: str, *, now: float) -> None:
        await self._write(partial(administration.pause, queue=queue, now=now))

    async def resume(self, queue: str) -> None:
        await self._write(partial(administration.resume, queue=queue))

    async def set_size(self, pool: str, change: SizeChange) -> None:
        await self._write(partial(administration.set_size, pool=pool, change=change))

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        if status not in ENDED:
            raise ValueError(f"{status} is not an end")
        check_limit(limit)
        dropped = await self._drop_old(status, ended_before=ended_before)
        return dropped + await self._write(
            partial(administration.expire, status=status, ended_before=ended_before, limit=limit)
        )

    async def sizes(self) -> Mapping[str, SetSize]:
        return await self._read(administration.sizes)

    async def paused(self) -> Mapping[str, float]:
        return await self._read(administration.paused)

    async def counts(self) -> Mapping[Status, int]:
        return await self._read(administration.counts)

    async def depths(self) -> Mapping[str, Mapping[Status, int]]:
        return await self._read(administration.depths)
