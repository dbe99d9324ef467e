"""The retention actor: deletes what has ended long enough ago, a little at a time."""

import asyncio

from taskqueue.actors.messages import DATABASE, RETENTION
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock, SystemClock
from taskqueue.logger import log
from taskqueue.rules.retention import Retention
from taskqueue.runtime import Actor, Request, receives
from taskqueue.storage.protocol import Storage

PERIOD_S = 60.0
BATCH = 500  # short enough to ride with other writes


class Expire(Request[int]):
    """Delete now what is due; answer with how many tasks that were."""


class RetentionActor(Actor):
    """Keeps the storage from growing for ever. If it is away, there will be a next time."""

    registered_name = RETENTION

    def __init__(
        self, retention: Retention, clock: Clock | None = None, *, period_s: float = PERIOD_S
    ) -> None:
        super().__init__()
        self._retention = retention
        self._clock = clock or SystemClock()
        self._period_s = period_s
        self._storage = StorageClient(self.address(DATABASE))

    def on_start(self) -> None:
        """Begin."""
        self.start_task(self._keep_pruning())

    @receives(Expire, answers=UNREACHABLE, concurrently=True)
    async def on_prune(self, _: Expire) -> int:
        """Delete what is due."""
        return await self._prune()

    async def _keep_pruning(self) -> None:
        never = asyncio.Event()
        while True:
            try:
                await self._prune()
            except UNREACHABLE as error:
                log.info("retention_postponed", reason=str(error))
            await self._clock.wait(never, self._period_s)

    async def _prune(self) -> int:
        """Delete batch by batch; between two of them everybody else has a turn."""
        total = 0
        for status, ended_before in self._retention.limits(self._clock.now()):
            expired, batch = 0, BATCH
            while batch == BATCH:
                batch = await self._storage.use(
                    Storage.expire, status, ended_before=ended_before, limit=BATCH
                )
                expired += batch
            if expired:
                log.info("tasks_expired", status=str(status), tasks=expired)
            total += expired
        return total
