"""The requests about nodes. Each node reads by itself what is asked of it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.commands import DrainNode, GetNodes, ResumeNode
from taskqueue.rules.nodes import ServiceNode
from taskqueue.runtime import Request
from taskqueue.storage.protocol import Storage


class NodeRequests:
    """Lists nodes, and notes which are to drain."""

    def __init__(self, storage: StorageClient, clock: Clock) -> None:
        """Serve from `storage` at the time of `clock`."""
        self._storage = storage
        self._clock = clock
        self.handlers: Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]] = {
            GetNodes: self._get_nodes,
            DrainNode: self._drain,
            ResumeNode: self._resume,
        }

    async def _get_nodes(self, _: GetNodes) -> tuple[ServiceNode, ...]:
        return await self._storage.use(Storage.nodes)

    async def _drain(self, message: DrainNode) -> bool:
        return await self._storage.use(Storage.drain_node, message.name, now=self._clock.now())

    async def _resume(self, message: ResumeNode) -> bool:
        return await self._storage.use(Storage.resume_node, message.name)
