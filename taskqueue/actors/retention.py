"""The retention actor: deletes what is old enough: tasks, changes and slots, in small batches."""

import asyncio

from taskqueue.actors.messages import DATABASE, RETENTION
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock, SystemClock
from taskqueue.events import events
from taskqueue.rules.access import Role
from taskqueue.rules.audit import MAX_STORED
from taskqueue.rules.retention import Retention
from taskqueue.runtime import Actor, Request, receives
from taskqueue.storage.protocol import Storage

PERIOD_S = 60.0
BATCH = 500  # short enough to share a commit with other writes


class Expire(Request[int]):
    """Delete the tasks and the changes that are due; answered with the number of tasks."""


class RetentionActor(Actor):
    """Keeps the storage from growing for ever; skips a round while the storage is unavailable."""

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
        """Expire tasks, changes and slots now and then."""
        self.start_task(self._keep_expiring())

    @receives(Expire, answers=UNREACHABLE, concurrently=True)
    async def on_expire(self, _: Expire) -> int:
        """Delete what is due."""
        return await self._expire()

    async def _keep_expiring(self) -> None:
        never = asyncio.Event()
        while True:
            try:
                await self._expire()
            except UNREACHABLE as error:
                events.info("retention_postponed", reason=str(error))
            in_s = self._clock.next_beat(self._period_s) - self._clock.monotonic()
            await self._clock.wait(never, in_s)

    async def _expire(self) -> int:
        """Delete batch by batch, so that other writes get their turn in between."""
        await self._trim_changes()
        await self._trim_slots()
        total = 0
        for status, ended_before in self._retention.limits(self._clock.now()):
            expired, batch = 0, BATCH
            while batch >= BATCH:  # an engine may drop more at once
                batch = await self._storage.use(
                    Storage.expire, status, ended_before=ended_before, limit=BATCH
                )
                expired += batch
            if expired:
                events.info("tasks_expired", status=str(status), tasks=expired)
            total += expired
        return total

    async def _trim_changes(self) -> None:
        before = self._retention.changes_before(self._clock.now())
        for role in Role:
            batch = BATCH
            while batch == BATCH:
                batch = await self._storage.use(
                    Storage.trim_changes, role, before=before, most=MAX_STORED, limit=BATCH
                )

    async def _trim_slots(self) -> None:
        before, batch = self._retention.slots_before(self._clock.now()), BATCH
        while batch == BATCH:
            batch = await self._storage.use(Storage.trim_slots, before=before, limit=BATCH)
