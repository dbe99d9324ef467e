"""The schedules of a service, for programs with asyncio."""

from collections.abc import AsyncIterator, Sequence
from typing import Unpack

from taskqueue.client.async_routes import AsyncRoute
from taskqueue.client.async_task import AsyncTask
from taskqueue.client.schedules import calls
from taskqueue.client.schedules.views import ScheduleChanges, ScheduleFields, ScheduleInfo


class AsyncSchedules:
    """Lists, creates, changes, pauses, resumes, runs and deletes schedules; see `Schedules`."""

    def __init__(self, route: AsyncRoute) -> None:
        self._route = route

    async def list(self) -> Sequence[ScheduleInfo]:
        """Return all schedules, by name, without their slots."""
        return [each async for each in self]

    async def __aiter__(self) -> AsyncIterator[ScheduleInfo]:
        """Yield all schedules, by name, without their slots."""
        cursor: str | None = None
        while True:
            page = await self._route.do(calls.find(cursor))
            for each in page.schedules:
                yield each
            cursor = page.next
            if cursor is None:
                return

    async def get(self, name: str) -> ScheduleInfo:
        """Return a schedule with its next slots, and what became of the latest ones."""
        return await self._route.do(calls.get(name))

    async def create(
        self, action: str, *, name: str | None = None, **fields: Unpack[ScheduleFields]
    ) -> ScheduleInfo:
        """Create a schedule; see `Schedules.create`."""
        named = {} if name is None else {"name": name}
        return await self._route.do(calls.create({"action": action, **named, **fields}))

    async def put(self, name: str, action: str, **fields: Unpack[ScheduleFields]) -> ScheduleInfo:
        """Create a schedule, or replace all of it. A pause stays."""
        return await self._route.do(calls.put(name, {"action": action, **fields}))

    async def change(self, name: str, **changes: Unpack[ScheduleChanges]) -> ScheduleInfo:
        """Change some of a schedule. A new timing begins with its next slot."""
        return await self._route.do(calls.change(name, changes))

    async def pause(self, name: str, *, reason: str | None = None) -> ScheduleInfo:
        """Let no slot of a schedule run until it is resumed, also after a restart."""
        return await self._route.do(calls.pause(name, reason))

    async def resume(self, name: str) -> ScheduleInfo:
        """Let slots run again. Those that came during the pause do not."""
        return await self._route.do(calls.resume(name))

    async def run(self, name: str) -> AsyncTask:
        """Run a schedule once, now: paused or not, and beside an earlier run; return its task."""
        return AsyncTask(self._route, (await self._route.do(calls.run(name))).id)

    async def delete(self, name: str) -> None:
        """Delete a schedule. The tasks that it has made stay."""
        await self._route.do(calls.delete(name))
