"""The expirer: ends tasks that have expired while they waited.

A consumer does not begin a task that has expired, so a task that is claimed meanwhile does no harm.
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
"""How many tasks one commit ends at most."""


class Expirer:
    """Looks twice a second, in the storage alone, so it also finds what other processes insert."""

    def __init__(self, storage: RetryingClient, clock: Clock, measures: TaskMeasures) -> None:
        """Make one that waits for `serve`; `measures` counts what has expired."""
        self._storage = storage
        self._clock = clock
        self._measures = measures

    async def serve(self) -> None:
        """End what has expired, again and again."""
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
