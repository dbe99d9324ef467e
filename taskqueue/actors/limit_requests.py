"""The requests about limits that change no state of the queue actor."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.commands import GetLimitKeys, GetLimits, TakeStarts
from taskqueue.rules.limits import KeyUsage, LimitUsage, Taken
from taskqueue.runtime import Request
from taskqueue.storage.protocol import Storage


class LimitRequests:
    """Answers what limits allow and how much of that is used, and takes starts."""

    def __init__(self, storage: StorageClient, clock: Clock) -> None:
        """Serve from `storage` at the time of `clock`."""
        self._storage = storage
        self._clock = clock
        self.handlers: Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]] = {
            GetLimits: self._get_limits,
            GetLimitKeys: self._get_keys,
            TakeStarts: self._take_starts,
        }

    async def _get_limits(self, _: GetLimits) -> tuple[LimitUsage, ...]:
        return await self._storage.use(Storage.limits, now=self._clock.now())

    async def _get_keys(self, message: GetLimitKeys) -> tuple[KeyUsage, ...]:
        return await self._storage.use(
            Storage.limit_keys,
            message.name,
            after=message.after,
            limit=message.limit,
            now=self._clock.now(),
        )

    async def _take_starts(self, message: TakeStarts) -> Taken | None:
        return await self._storage.use(Storage.take_starts, message.use, now=self._clock.now())
