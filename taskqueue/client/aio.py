"""The client for programs on asyncio: the same verbs as `Client`, to be awaited.

async with AsyncClient("http://127.0.0.1:8080") as queue:
    task = await queue.enqueue("resize", url="…", width=400)
    print(await task.result(timeout_s=30))
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from taskqueue.client import calls, enqueueing, group_calls, limit_calls, live_calls, summary_calls
from taskqueue.client.async_group import AsyncGroup
from taskqueue.client.async_limit import AsyncLimit
from taskqueue.client.async_queue import AsyncQueue
from taskqueue.client.async_routes import route_of
from taskqueue.client.async_task import AsyncTask
from taskqueue.client.attempt_views import RunningTask
from taskqueue.client.audit_views import Change
from taskqueue.client.call import Call
from taskqueue.client.enqueueing import AnyTask
from taskqueue.client.event_stream import Block, EventFilters, ServiceEvent, event_of, path_of
from taskqueue.client.nodes import AsyncNodeVerbs
from taskqueue.client.schedules.aio import AsyncSchedules
from taskqueue.client.verbs import Filters
from taskqueue.client.views import (
    Counts,
    DeadGroup,
    GroupInfo,
    LimitInfo,
    QueueInfo,
    SettingInfo,
    TaskInfo,
)
from taskqueue.rules.options import Options
from taskqueue.rules.service_activity import RecentActivity
from taskqueue.rules.sizes import ConsumersSize
from taskqueue.rules.uniqueness import OnRepeatName, ScopeName, UntilName

T = TypeVar("T")


class AsyncClient(AsyncNodeVerbs):
    """Enqueues, watches and manages tasks of a service. It belongs to one event loop.

    Over HTTP or through the service's file, with the guarantees of `Client`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retry_s: float = 30.0,
    ) -> None:
        """Make a client with the arguments of `Client`. Nothing is connected before a call."""
        self._route = route_of(url, token, timeout_s=timeout_s, retry_s=retry_s)

    async def __aenter__(self) -> Self:
        """Return the client, to be closed at the end of the block."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connections. Calling it twice is harmless."""
        await self._route.close()

    def redirect(self, url: str) -> None:
        """Send what is called from now on to the service at `url`; the token stays."""
        self._route.redirect(url)

    # --- tasks ----------------------------------------------------------------------------------

    async def enqueue(
        self,
        action: str,
        data: Mapping[str, Any] | None = None,
        /,
        *,
        queue: str | None = None,
        priority: int | None = None,
        max_attempts: int | None = None,
        delay_s: float | None = None,
        run_at: float | None = None,
        unique_key: str | None = None,
        unique_by: Sequence[str] | None = None,
        unique_scope: ScopeName | None = None,
        unique_until: UntilName | float | None = None,
        on_repeat: OnRepeatName | None = None,
        latest_s: float | None = None,
        expires_s: float | None = None,
        expires_at: float | None = None,
        group: str | None = None,
        **arguments: Any,
    ) -> AsyncTask:
        """Enqueue a task for `action`; durable when this returns. See `Client.enqueue`."""
        options = Options(
            queue=queue,
            priority=priority,
            max_attempts=max_attempts,
            delay_s=delay_s,
            run_at=run_at,
            unique_key=unique_key,
            unique_by=unique_by,
            unique_scope=unique_scope,
            unique_until=unique_until,
            on_repeat=on_repeat,
            latest_s=latest_s,
            expires_s=expires_s,
            expires_at=expires_at,
            group=group,
        )
        receipt = await self._do(calls.enqueue(enqueueing.named(action, data, arguments, options)))
        return AsyncTask(self._route, receipt.id, receipt.acceptance)

    async def enqueue_many(self, tasks: Iterable[AnyTask]) -> Sequence[AsyncTask]:
        """Enqueue many tasks with few requests; see `Client.enqueue_many`."""
        receipts = [
            receipt
            for batch in enqueueing.batches(tasks)
            for receipt in await self._do(calls.enqueue_many(batch))
        ]
        return [AsyncTask(self._route, receipt.id, receipt.acceptance) for receipt in receipts]

    def task(self, task_id: str) -> AsyncTask:
        """Return the task of this id, without asking whether there is one."""
        return AsyncTask(self._route, task_id)

    async def tasks(
        self, *, sort: Literal["newest", "oldest"] = "newest", **filters: Unpack[Filters]
    ) -> AsyncIterator[TaskInfo]:
        """Yield the tasks that match; see `Client.tasks`."""
        cursor: str | None = None
        while True:
            page = await self._do(calls.find(filters, sort=sort, cursor=cursor))
            for task in page.tasks:
                yield task
            cursor = page.next
            if cursor is None:
                return

    async def cancel_tasks(
        self, *, reason: str | None = None, dry_run: bool = False, **filters: Unpack[Filters]
    ) -> int:
        """Cancel all tasks that match and have not ended; return how many."""
        return await self._change_all("cancel", filters, dry_run=dry_run, reason=reason)

    async def redrive_tasks(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Queue all dead tasks that match again; return how many."""
        return await self._change_all("redrive", filters, dry_run=dry_run)

    async def delete_tasks(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Delete all tasks that match and have ended; return how many."""
        return await self._change_all("delete", filters, dry_run=dry_run)

    async def run_tasks_now(self, *, dry_run: bool = False, **filters: Unpack[Filters]) -> int:
        """Make all tasks that match and are scheduled or retrying due now; return how many."""
        return await self._change_all("run-now", filters, dry_run=dry_run)

    async def _change_all(
        self, verb: str, filters: Filters, *, dry_run: bool, reason: str | None = None
    ) -> int:
        total = 0
        cursor: str | None = None
        while True:
            progress = await self._do(
                calls.change_all(verb, filters, dry_run=dry_run, cursor=cursor, reason=reason)
            )
            total += progress.matched if dry_run else progress.done
            cursor = progress.next
            if cursor is None:
                return total

    async def count_tasks(self, **filters: Unpack[Filters]) -> Counts:
        """Return how many tasks match, by status; see `Client.count_tasks`."""
        return await self._do(summary_calls.count(filters))

    async def dead_groups(
        self, *, action: str | None = None, queue: str | None = None, limit: int = 100
    ) -> Sequence[DeadGroup]:
        """Return groups of dead tasks by action and error; see `Client.dead_groups`."""
        return await self._do(summary_calls.dead_groups(action, queue, limit))

    async def consumers(self) -> ConsumersSize:
        """Return how many shared consumers there are meant to be; see `Client.consumers`."""
        return await self._do(calls.consumers())

    async def set_consumers(self, count: int | None) -> ConsumersSize:
        """Have so many shared consumers; see `Client.set_consumers`."""
        return await self._do(calls.set_consumers(count))

    async def running(self) -> Sequence[RunningTask]:
        """Return the attempts that run now, with their lines; see `Client.running`."""
        return await self._do(live_calls.running())

    async def activity(self, *, minutes: int = 60) -> RecentActivity:
        """Return what the service did in the last minutes; see `Client.activity`."""
        return await self._do(live_calls.activity(minutes))

    # --- groups ---------------------------------------------------------------------------------

    def group(self, name: str) -> AsyncGroup:
        """Return the group of this name, without asking whether there is one."""
        return AsyncGroup(self._route, name)

    async def groups(self, *, ended: bool | None = None) -> AsyncIterator[GroupInfo]:
        """Yield the groups, newest first; see `Client.groups`."""
        cursor: int | None = None
        while True:
            page = await self._do(group_calls.find(ended=ended, cursor=cursor))
            for group in page.groups:
                yield group
            cursor = page.next
            if cursor is None:
                return

    # --- events ---------------------------------------------------------------------------------

    def events(self, **filters: Unpack[EventFilters]) -> AsyncIterator[ServiceEvent]:
        """Yield what happens in the service from now on; see `Client.events`."""
        return self._events(self._route.follow(path_of(filters)))

    async def _events(self, blocks: AsyncGenerator[Block, None]) -> AsyncIterator[ServiceEvent]:
        async with aclosing(blocks):
            async for block in blocks:
                if block.name:
                    yield event_of(block)

    # --- queues ---------------------------------------------------------------------------------

    async def queues(self) -> Sequence[QueueInfo]:
        """Return the queues that the service serves."""
        return await self._do(calls.queues())

    def queue(self, name: str) -> AsyncQueue:
        """Return the queue of this name, without asking whether there is one."""
        return AsyncQueue(self._route, name)

    async def pause(self, queue: str) -> None:
        """Stop handing out tasks of a queue, also after a restart of the service."""
        await self._do(calls.pause(queue, paused=True))

    async def resume(self, queue: str) -> None:
        """Hand out tasks of a queue again."""
        await self._do(calls.pause(queue, paused=False))

    # --- limits ---------------------------------------------------------------------------------

    async def limits(self) -> Sequence[LimitInfo]:
        """Return all limits, by name, with what is used of each."""
        found: list[LimitInfo] = []
        cursor: str | None = None
        while True:
            page = await self._do(limit_calls.limits(cursor))
            found += page.limits
            cursor = page.next
            if cursor is None:
                return found

    def limit(self, name: str) -> AsyncLimit:
        """Return the limit of this name, without asking whether there is one."""
        return AsyncLimit(self._route, name)

    @property
    def schedules(self) -> AsyncSchedules:
        """The schedules of the service."""
        return AsyncSchedules(self._route)

    # --- access ---------------------------------------------------------------------------------

    async def audit(
        self, *, limit: int = 100, cursor: str | None = None, task: str | None = None
    ) -> Sequence[Change]:
        """Return the latest changes of the service's state, newest first; see `Client.audit`."""
        found: list[Change] = []
        while True:
            page = await self._do(calls.audit(limit - len(found), cursor, task))
            found += page.changes
            cursor = page.next
            if cursor is None or len(found) >= limit:
                return found

    async def settings(self) -> Sequence[SettingInfo]:
        """Return the settings of the service, and where each comes from; see `Client.settings`."""
        return await self._do(calls.settings())

    # --- the call -------------------------------------------------------------------------------

    async def _do(self, call: Call[T]) -> T:
        return await self._route.do(call)
