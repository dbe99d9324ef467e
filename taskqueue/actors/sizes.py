"""How many shared consumers there are meant to be: what is stored, or what is configured."""

from taskqueue.actors.consumers import SHARED
from taskqueue.actors.descriptors import require_descriptors
from taskqueue.actors.messages import CONSUMERS, Resize
from taskqueue.actors.storage_client import StorageClient
from taskqueue.commands import GetConsumers, SetConsumers
from taskqueue.http.server.limits import Limits
from taskqueue.rules.sizes import ConsumersSize, size_of
from taskqueue.runtime import World, request
from taskqueue.storage.protocol import Storage


class Sizes:
    """The requests about the number of shared consumers."""

    def __init__(
        self, system: World, storage: StorageClient, limits: Limits, *, configured: int
    ) -> None:
        """Serve them; the process has to stay within the `limits` of its HTTP server."""
        self._consumers = system.address(CONSUMERS)
        self._storage = storage
        self._limits = limits
        self._configured = configured

    async def get(self, _: GetConsumers) -> ConsumersSize:
        """Return the number that holds."""
        stored = await self._storage.use(Storage.sizes)
        return size_of(stored.get(SHARED), self._configured)

    async def set(self, message: SetConsumers) -> ConsumersSize:
        """Store the number, and have the supervisor follow it."""
        size = size_of(message.count, self._configured)
        require_descriptors(size.count, self._limits)
        await self._storage.use(Storage.set_size, SHARED, message.count)
        resize = Resize(count=size.count)
        request(self._consumers, resize)  # its answer comes when the last one has drained
        return size
