"""The sizes of the pools of consumers: what calls have set, or what is configured."""

import asyncio
from collections.abc import Mapping, Sequence

from taskqueue.actors.consumers import SHARED, Pool
from taskqueue.actors.descriptors import require_descriptors
from taskqueue.actors.messages import NODE, LookAgain
from taskqueue.actors.storage_client import StorageClient
from taskqueue.commands import ChangePoolSize, GetConsumers, GetPoolSize, SetConsumers
from taskqueue.http.server.limits import Limits
from taskqueue.rules.sizes import (
    Capacity,
    ConsumersSize,
    PoolSize,
    SetSize,
    SizeChange,
    pool_size,
    size_of,
)
from taskqueue.runtime import World, tell
from taskqueue.storage.protocol import Storage

_NOTHING_SET = SetSize()


class Sizes:
    """The requests about the sizes of pools."""

    def __init__(
        self, system: World, storage: StorageClient, limits: Limits, *, pools: Sequence[Pool]
    ) -> None:
        """Serve them; the process has to stay within the `limits` of its HTTP server.

        `pools` are as they are configured.
        """
        self._node = system.address(NODE)
        self._storage = storage
        self._limits = limits
        self._pools = {pool.name: pool for pool in pools}
        # Two changes at the same time would each be checked without the other.
        self._changing = asyncio.Lock()

    async def get(self, _: GetConsumers) -> ConsumersSize:
        """Return the number of shared consumers that holds."""
        stored = await self._storage.use(Storage.sizes)
        return self._shared_of(stored)

    async def set(self, message: SetConsumers) -> ConsumersSize:
        """Store the number of shared consumers, which every node follows."""
        stored = await self._change(self._pools[SHARED], SizeChange(count=message.count))
        return self._shared_of(stored)

    async def get_pool(self, message: GetPoolSize) -> PoolSize | None:
        """Return the size of the pool that serves a queue; None if none does."""
        pool = self._serving(message.queue)
        return None if pool is None else _size(pool, await self._storage.use(Storage.sizes))

    async def change_pool(self, message: ChangePoolSize) -> PoolSize | None:
        """Store a change of such a pool, which every node follows."""
        pool = self._serving(message.queue)
        return None if pool is None else _size(pool, await self._change(pool, message.change))

    async def _change(self, pool: Pool, change: SizeChange) -> Mapping[str, SetSize]:
        async with self._changing:
            stored = await self._storage.use(Storage.sizes)
            changed = {**stored, pool.name: stored.get(pool.name, _NOTHING_SET).changed(change)}
            sizes = {name: _holding(each, changed) for name, each in self._pools.items()}
            require_descriptors(sum(size.count for size in sizes.values()), self._limits)
            await self._storage.use(Storage.set_size, pool.name, change)
        tell(self._node, LookAgain())
        return changed

    def _serving(self, queue: str) -> Pool | None:
        return next((pool for pool in self._pools.values() if queue in pool.queues), None)

    def _shared_of(self, stored: Mapping[str, SetSize]) -> ConsumersSize:
        return size_of(stored.get(SHARED, _NOTHING_SET).count, self._pools[SHARED].count)


def _holding(pool: Pool, stored: Mapping[str, SetSize]) -> Capacity:
    return stored.get(pool.name, _NOTHING_SET).over(pool.size)


def _size(pool: Pool, stored: Mapping[str, SetSize]) -> PoolSize:
    return pool_size(pool.queues, stored.get(pool.name, _NOTHING_SET), pool.size)
