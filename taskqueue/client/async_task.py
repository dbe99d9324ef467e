"""A task of a service, for programs on asyncio."""

import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from taskqueue.client import calls, enqueueing
from taskqueue.client.async_routes import AsyncRoute
from taskqueue.client.attempt_views import AttemptLog, TaskStack
from taskqueue.client.event_stream import (
    ENDS,
    GAP,
    Block,
    ServiceEvent,
    end_of,
    event_of,
    path_of,
)
from taskqueue.client.views import TaskInfo
from taskqueue.client.waiting import result_of, slices
from taskqueue.errors import WaitTimeout
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Acceptance, Status


class AsyncTask:
    """A task in the service, known by its `id`.

    Of one that `enqueue` has returned, `acceptance` is `kept`, `replaced` or `postponed` if it held
    the unique key before, and that is what became of it; else None.
    """

    def __init__(
        self, route: AsyncRoute, task_id: str, acceptance: Acceptance | None = None
    ) -> None:
        self._route = route
        self.id = task_id
        self.acceptance = acceptance

    def __repr__(self) -> str:
        """Return the id, marked as a task."""
        return f"<AsyncTask {self.id}>"

    async def info(self) -> TaskInfo:
        """Return all that the service knows about the task, with every attempt."""
        return await self._route.do(calls.get(self.id))

    async def logs(self) -> AsyncIterator[AttemptLog]:
        """Yield what the attempts have logged; see `ClientTask.logs`."""
        cursor: int | None = None
        while True:
            page = await self._route.do(calls.logs(self.id, cursor))
            for attempt in page.attempts:
                yield attempt
            cursor = page.next
            if cursor is None:
                return

    async def stack(self) -> TaskStack:
        """Return in which calls of your code the handler is now; see `ClientTask.stack`."""
        return await self._route.do(calls.stack(self.id))

    async def status(self) -> Status:
        """Return the task's status."""
        return (await self.info()).status

    async def progress(self) -> Any:
        """Return what the handler reported last, or None."""
        return (await self.info()).progress

    async def wait(self, timeout_s: float | None = None) -> TaskInfo:
        """Return the task when it has ended, in whatever way. The service says so at once."""
        for wait_s in slices(timeout_s, time.monotonic):
            task = await self._route.do(calls.get(self.id, wait_s=wait_s))
            if task.has_ended:
                return task
        raise WaitTimeout(self.id, timeout_s or 0.0)

    def events(self) -> AsyncIterator[ServiceEvent]:
        """Yield what happens to the task from now on, until its end; see `ClientTask.events`."""
        return self._until_end(self._route.follow(path_of({"task": self.id})))

    async def _until_end(self, blocks: AsyncGenerator[Block, None]) -> AsyncIterator[ServiceEvent]:
        async with aclosing(blocks):
            async for block in blocks:
                if block.name:
                    yield event_of(block)
                if block.name in ENDS:
                    return
                # Something may have been missed: before this connection, or in a crash.
                if block.name in {"", GAP} and (task := await self.info()).has_ended:
                    yield end_of(task)
                    return

    async def result(self, timeout_s: float | None = None) -> Any:
        """Return what the handler returned, when the task is completed."""
        return result_of(await self.wait(timeout_s))

    async def cancel(self, reason: str | None = None) -> str:
        """Cancel the task; return `cancelled`, or `cancelling` while its handler stops."""
        return await self._route.do(calls.cancel(self.id, reason))

    async def edit(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_s: float | None = None,
        run_at: float | None = None,
    ) -> TaskInfo:
        """Change the task while no consumer holds it; see `ClientTask.edit`."""
        options = Options(
            priority=priority, max_attempts=max_attempts, delay_s=delay_s, run_at=run_at
        )
        return await self._route.do(calls.edit(self.id, data, options))

    async def run_now(self) -> str:
        """Make the task due now; see `ClientTask.run_now`."""
        return await self._route.do(calls.run_now(self.id))

    async def clone(self) -> "AsyncTask":
        """Enqueue a new task with the same data and options; return it."""
        receipt = await self._route.do(calls.clone(self.id, enqueueing.new_key()))
        return AsyncTask(self._route, receipt.id)

    async def redrive(self) -> str:
        """Queue the dead task again with all its attempts; return its status."""
        return await self._route.do(calls.redrive(self.id))

    async def delete(self) -> None:
        """Delete the task, which has ended, with its history."""
        await self._route.do(calls.delete(self.id))
