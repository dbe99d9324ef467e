"""A queue of a service, for programs on asyncio."""

from collections.abc import AsyncIterator

from msgspec import UNSET

from taskqueue.client import queue_calls as calls
from taskqueue.client.async_routes import AsyncRoute
from taskqueue.client.views import FlowInfo
from taskqueue.rules.sizes import PoolSize, SizeChange, Wanted


class AsyncQueue:
    """A queue in the service, known by its `name`; see `ClientQueue`."""

    def __init__(self, route: AsyncRoute, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a queue."""
        return f"<AsyncQueue {self.name}>"

    async def consumers(self) -> PoolSize:
        """Return how many consumers serve the queue, and how many handlers each runs at once."""
        return await self._route.do(calls.consumers(self.name))

    async def resize(self, *, count: Wanted = UNSET, slots: Wanted = UNSET) -> PoolSize:
        """Change the consumers that serve the queue; see `ClientQueue.resize`."""
        return await self._route.do(calls.resize(self.name, SizeChange(count=count, slots=slots)))

    async def flows(self) -> AsyncIterator[FlowInfo]:
        """Yield the flows that have tasks waiting for their turns; see `ClientQueue.flows`."""
        cursor: str | None = None
        while True:
            page = await self._route.do(calls.flows(self.name, cursor))
            for flow in page.flows:
                yield flow
            cursor = page.next
            if cursor is None:
                return
