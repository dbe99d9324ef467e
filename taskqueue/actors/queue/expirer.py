"""The expirer: cancels tasks that expired while they waited.

A consumer does not begin an expired task, so it does not matter if one is claimed in the meantime.
"""

import asyncio

from taskqueue.actors.queue.fetch_schedule import POLL_S
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock, next_beat
from taskqueue.events import events
from taskqueue.rules.expiry import EXPIRED
from taskqueue.rules.measures import TaskMeasures
from taskqueue.storage.protocol import Storage

PART = 500
"""Maximum number of tasks that one commit cancels."""


class Expirer:
    """Reads the storage twice a second, so it also finds tasks that other processes inserted."""

    def __init__(self, storage: RetryingClient, clock: Clock, measures: TaskMeasures) -> None:
        """Make one that waits for `serve`; `measures` counts expired tasks."""
        self._storage = storage
        self._clock = clock
        self._measures = measures

    async def serve(self) -> None:
        """Cancel expired tasks, forever."""
        never = asyncio.Event()
        while True:
            try:
                while await self._expire() == PART:
                    pass
            except UNREACHABLE:
                await self._storage.again()
            now = self._clock.monotonic()
            await self._clock.wait(never, next_beat(now, POLL_S) - now)

    async def _expire(self) -> int:
        now = self._clock.now()
        due = await self._storage.use(Storage.next_expiry)
        if due is None or due > now:
            return 0
        expired = await self._storage.use(Storage.expire_waiting, limit=PART, now=now)
        for task in expired:
            self._measures.expired(task.queue, task.action)
            events.info(
                "task_cancelled",
                task_id=task.id,
                action=task.action,
                queue=task.queue,
                reason=EXPIRED,
            )
        return len(expired)
