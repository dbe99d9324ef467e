"""The requests that sum up tasks: the storage answers them all."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import asdict

from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.commands import CountMatching, GetDeadGroups, GetHeads, GetQueueLimits
from taskqueue.rules.summaries import Counts, DeadGroup, QueueLimit
from taskqueue.runtime import Request
from taskqueue.storage.protocol import Storage


class SummaryRequests:
    """The part of `StorageRequests` that is about many tasks at once."""

    def __init__(self, storage: StorageClient, clock: Clock) -> None:
        """Serve from `storage` at the time of `clock`."""
        self._storage = storage
        self._clock = clock
        self.handlers: Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]] = {
            GetDeadGroups: self._dead_groups,
            CountMatching: self._count,
            GetHeads: self._heads,
            GetQueueLimits: self._queue_limits,
        }

    async def _dead_groups(self, message: GetDeadGroups) -> tuple[DeadGroup, ...]:
        return await self._storage.use(Storage.dead_groups, **asdict(message))

    async def _count(self, message: CountMatching) -> Counts:
        return await self._storage.use(Storage.count, **asdict(message), now=self._clock.now())

    async def _heads(self, message: GetHeads) -> Mapping[str, str]:
        return await self._storage.use(Storage.heads, **asdict(message))

    async def _queue_limits(self, _: GetQueueLimits) -> tuple[QueueLimit, ...]:
        return await self._storage.use(Storage.queue_limits, now=self._clock.now())
