"""A group of tasks of a service, for programs on asyncio."""

import time
from collections.abc import Iterable

from taskqueue.client import enqueueing, group_calls
from taskqueue.client.async_routes import AsyncRoute
from taskqueue.client.enqueueing import AnyTask
from taskqueue.client.views import GroupInfo
from taskqueue.client.waiting import slices
from taskqueue.errors import GroupWaitTimeout


class AsyncGroup:
    """A group in the service, known by its `name`. It need not be there yet."""

    def __init__(self, route: AsyncRoute, name: str) -> None:
        self._route = route
        self.name = name

    def __repr__(self) -> str:
        """Return the name, marked as a group."""
        return f"<AsyncGroup {self.name!r}>"

    async def status(self) -> GroupInfo:
        """Return how many of its tasks stand where, and what follows; see `ClientGroup.status`."""
        return await self._route.do(group_calls.get(self.name))

    async def wait(self, timeout_s: float | None = None) -> GroupInfo:
        """Return the group when it has ended; see `ClientGroup.wait`."""
        for wait_s in slices(timeout_s, time.monotonic):
            group = await self._route.do(group_calls.get(self.name, wait_s=wait_s))
            if group.ended:
                return group
        raise GroupWaitTimeout(self.name, timeout_s or 0.0)

    async def close(
        self, *, then: AnyTask | None = None, tasks: Iterable[AnyTask] = ()
    ) -> GroupInfo:
        """Close the group, so that it can end; see `ClientGroup.close`."""
        last = [*map(enqueueing.body_of, tasks)]
        following = None if then is None else enqueueing.unkeyed(then)
        return await self._route.do(group_calls.close(self.name, following, last))

    async def cancel(self, reason: str | None = None) -> int:
        """Cancel all tasks of the group that have not ended; return how many."""
        return await self._change_all("cancel", reason)

    async def redrive(self) -> int:
        """Queue all dead tasks of the group again; return how many."""
        return await self._change_all("redrive", None)

    async def _change_all(self, verb: str, reason: str | None) -> int:
        total = 0
        cursor: str | None = None
        while True:
            call = group_calls.change_all(verb, self.name, cursor=cursor, reason=reason)
            progress = await self._route.do(call)
            total += progress.done
            cursor = progress.next
            if cursor is None:
                return total
