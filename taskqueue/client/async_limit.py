"""A limit of a service, for programs on asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator

from taskqueue.client import limit_calls as calls
from taskqueue.client.async_routes import AsyncRoute
from taskqueue.client.views import LimitInfo, LimitKey
from taskqueue.client.waiting import TakePatience


class AsyncLimit:
    """A limit in the service, known by its `name`; see `ClientLimit`."""

    def __init__(self, route: AsyncRoute, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a limit."""
        return f"<AsyncLimit {self.name}>"

    async def info(self) -> LimitInfo:
        """Return what the limit allows, and how much of it is used."""
        return (await self._route.do(calls.page(self.name, None))).limit

    async def by_key(self) -> AsyncIterator[LimitKey]:
        """Yield the keys that are in use, one page after the other."""
        cursor: str | None = None
        while True:
            page = await self._route.do(calls.page(self.name, cursor))
            for key in page.keys:
                yield key
            cursor = page.next
            if cursor is None:
                return

    async def change(
        self,
        *,
        running: int | None = None,
        starts: float | None = None,
        per_s: float | None = None,
        burst: float | None = None,
    ) -> LimitInfo:
        """Change what the limit allows, until it is changed again; see `ClientLimit.change`."""
        return await self._route.do(
            calls.change(self.name, running=running, starts=starts, per_s=per_s, burst=burst)
        )

    async def reset(self) -> None:
        """Have what the app declares hold again; needs `admin`."""
        await self._route.do(calls.reset(self.name))

    async def take(
        self, cost: float = 1.0, *, key: str | None = None, timeout_s: float | None = None
    ) -> None:
        """Take starts for work that is no task, and wait for them; see `ClientLimit.take`.

        Raises:
            RateSpent: the rate does not allow it within `timeout_s` seconds.
        """
        patience = TakePatience(self.name, timeout_s, time.monotonic)
        while True:
            wait_s = await self._route.do(calls.take(self.name, cost, key))
            if wait_s is None:
                return
            await asyncio.sleep(patience.pause_s(wait_s))
