"""The expirer: cancels tasks that expired while they waited.

A consumer does not begin an expired task, so it does not matter if one is claimed in the meantime.
"""

from taskqueue.actors.queue.pace import Pace
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock
from taskqueue.events import events
from taskqueue.rules.expiry import EXPIRED
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.polling import POLL_S
from taskqueue.storage.protocol import Storage

PART = 500
"""Maximum number of tasks that one commit cancels."""


class Expirer:
    """Reads the storage with each poll, so it also finds tasks that other processes inserted."""

    def __init__(
        self, storage: RetryingClient, clock: Clock, pace: Pace, measures: TaskMeasures
    ) -> None:
        """Make one that waits for `serve`.

        Args:
            storage: where the tasks are.
            clock: the time.
            pace: how often to read it; a task is cancelled within half a second of its expiry.
            measures: counts expired tasks.
        """
        self._storage = storage
        self._clock = clock
        self._pace = pace
        self._measures = measures

    async def serve(self) -> None:
        """Cancel expired tasks, forever."""
        while True:
            self._pace.quickened.clear()
            next_at: float | None = None
            try:
                next_at = await self._expire_all()
            except UNREACHABLE:
                await self._storage.again()
            await self._clock.wait(self._pace.quickened, self._until_next_look_s(next_at))

    def _until_next_look_s(self, next_at: float | None) -> float:
        now, look_at = self._clock.monotonic(), self._clock.next_beat(self._pace.period_s)
        if next_at is not None:
            expires_at = now + next_at - self._clock.now()
            look_at = min(look_at, max(expires_at, self._clock.next_beat(POLL_S)))
        return look_at - now

    async def _expire_all(self) -> float | None:
        """End all that has expired; return when the next task does."""
        while True:
            now = self._clock.now()
            next_at = await self._storage.use(Storage.next_expiry)
            if next_at is None or next_at > now or await self._expire(now) < PART:
                return next_at

    async def _expire(self, now: float) -> int:
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
