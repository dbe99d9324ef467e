"""The client for programs with threads, and for those without any: Flask, Django, scripts.

queue = Client("http://127.0.0.1:8080")
task = queue.enqueue("resize", url="…", width=400)
task.wait(timeout_s=30).result
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack

from taskqueue.client import calls, enqueueing, group_calls, limit_calls, live_calls
from taskqueue.client.administration import Administration
from taskqueue.client.attempt_views import RunningTask
from taskqueue.client.call import Call
from taskqueue.client.enqueueing import AnyTask
from taskqueue.client.event_stream import EventFilters, ServiceEvent, event_of, path_of
from taskqueue.client.group import ClientGroup
from taskqueue.client.limit import ClientLimit
from taskqueue.client.queue import ClientQueue
from taskqueue.client.routes import route_of
from taskqueue.client.schedules.sync import Schedules
from taskqueue.client.task import ClientTask
from taskqueue.client.verbs import Filters
from taskqueue.client.views import GroupInfo, LimitInfo, TaskInfo
from taskqueue.rules.options import Options
from taskqueue.rules.uniqueness import OnRepeatName, ScopeName, UntilName

T = TypeVar("T")


class Client(Administration):
    """Enqueues, watches and manages tasks of a service. Safe to share among threads.

    Over HTTP connections are kept and reused. Every call is retried for up to `retry_s` seconds
    while the service cannot be reached or answers 503. An enqueue is never accepted twice.

    Through the service's file (`sqlite:///data/tasks.db`, on the same machine) a call is one
    transaction of this process, whether the service runs or not, and a task starts at once if it
    does. Actions are known by name only: arguments are checked when the task runs, options that are
    not given have the general defaults, not those of the handler, and no limits count.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        timeout_s: float = 10.0,
        retry_s: float = 30.0,
    ) -> None:
        """Make a client; nothing is connected before the first call.

        Args:
            url: of the service, `http://127.0.0.1:8080`, of the Unix socket on which it listens,
                `unix:///run/taskqueue.sock`, or of its file, `sqlite:///data/tasks.db`; default:
                TASKQUEUE_URL.
            token: sent with every request; default: TASKQUEUE_TOKEN, if that is set. Not for a
                file.
            timeout_s: the longest wait for one answer over HTTP, in seconds.
            retry_s: for how long a call is retried, or waits for another process that writes to the
                file, in seconds; 0 for never.

        Raises:
            ConfigError: there is no URL, or an argument cannot be used.
        """
        self._route = route_of(url, token, timeout_s=timeout_s, retry_s=retry_s)

    def __enter__(self) -> Self:
        """Return the client, to be closed at the end of the block."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connections. Calling it twice is harmless."""
        self._route.close()

    # --- tasks ----------------------------------------------------------------------------------

    def enqueue(
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
    ) -> ClientTask:
        """Enqueue a task for `action`; durable when this returns.

        The handler's arguments are given by name. Those whose names are options go into `data`.

        Args:
            action: the name that the handler is registered with.
            data: arguments of the handler, beside `arguments`.
            queue: one that the service serves.
            priority: 0 to 255; 0 is first.
            max_attempts: 1 or more.
            delay_s: not before so many seconds from now.
            run_at: not before this instant, in seconds since 1970 (UTC).
            unique_key: at most one task holds it. Enqueueing the same again returns the same task.
            unique_by: the arguments that make the key, instead of `unique_key`.
            unique_scope: `global`, `action` or `queue`: among which tasks the key is unique.
            unique_until: `ended`, `started` or `deleted`, or so many seconds after the enqueue.
            on_repeat: `keep`, `replace`, `postpone` or `reject`: what to do if the key is held.
            latest_s: repeats do not move the task beyond so many seconds after its enqueue.
            expires_s: cancel it if it has not started so many seconds after its enqueue.
            expires_at: likewise, at this instant.
            group: the group whose member it is.
            arguments: arguments of the handler.

        Raises:
            InvalidTask: the arguments, the options or the action do not fit.
            KeyConflict: something else was enqueued under the unique key.
            KeyTaken: the unique key is held by a task that stays as it is.
            GroupClosed: the group takes no more tasks.
            ServiceUnavailable: the service could not be reached. The task may have been accepted.
            AccessDenied: this client may not enqueue.
        """
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
        receipt = self._do(calls.enqueue(enqueueing.named(action, data, arguments, options)))
        return ClientTask(self._route, receipt.id, receipt.acceptance)

    def enqueue_many(self, tasks: Iterable[AnyTask]) -> Sequence[ClientTask]:
        """Enqueue many tasks with few requests; durable when this returns.

        Each is a prepared task (`action.prepare(…)`) or a pair of an action's name and its
        arguments. Up to 10,000 tasks and 1 MiB go into one request, which is accepted as a whole or
        not at all.

        Raises:
            InvalidTask: a task does not fit. None of its request was accepted.
            KeyConflict: something else was enqueued under a unique key.
            KeyTaken: a unique key is held by a task that stays as it is.
            GroupClosed: a group takes no more tasks; those of other groups were accepted.
            ServiceUnavailable: the service could not be reached; tasks may have been accepted.
        """
        receipts = [
            receipt
            for batch in enqueueing.batches(tasks)
            for receipt in self._do(calls.enqueue_many(batch))
        ]
        return [ClientTask(self._route, receipt.id, receipt.acceptance) for receipt in receipts]

    def task(self, task_id: str) -> ClientTask:
        """Return the task of this id, without asking whether there is one."""
        return ClientTask(self._route, task_id)

    def tasks(
        self, *, sort: Literal["newest", "oldest"] = "newest", **filters: Unpack[Filters]
    ) -> Iterator[TaskInfo]:
        """Yield the tasks that match, newest or oldest first, one page after the other.

        Args:
            sort: `newest` or `oldest`.
            filters: `status` (one or several), `action`, `queue`, `unique_key`, `group`, `parent`,
                `trace`, `error`, `text`, `created_after`, `created_before`, `ended_after`,
                `ended_before`, `min_age_s`.
        """
        cursor: str | None = None
        while True:
            page = self._do(calls.find(filters, sort=sort, cursor=cursor))
            yield from page.tasks
            cursor = page.next
            if cursor is None:
                return

    def running(self) -> Sequence[RunningTask]:
        """Return the attempts that run now, those that began first; of more than 1,000 as many.

        Each has the line of your code at which its handler is, if that can be told. Answered within
        half a second, whatever the handlers do.
        """
        return self._do(live_calls.running())

    # --- groups ---------------------------------------------------------------------------------

    def group(self, name: str) -> ClientGroup:
        """Return the group of this name, without asking whether there is one."""
        return ClientGroup(self._route, name)

    def groups(self, *, ended: bool | None = None) -> Iterator[GroupInfo]:
        """Yield the groups, newest first, one page after the other.

        Args:
            ended: only those that have ended, or only those that have not.
        """
        cursor: int | None = None
        while True:
            page = self._do(group_calls.find(ended=ended, cursor=cursor))
            yield from page.groups
            cursor = page.next
            if cursor is None:
                return

    # --- events ---------------------------------------------------------------------------------

    def events(self, **filters: Unpack[EventFilters]) -> Iterator[ServiceEvent]:
        """Yield what happens in the service from now on, without an end.

        It begins with the first step of the loop. A lost connection is made again, and goes on
        after the last event that was received. If the service no longer has the events after that,
        a `gap` says so.

        Args:
            filters: `task` (ids), `action`, `queue`, `event` (names): one value or several each. An
                event has to match all of them.

        Raises:
            CallRefused: a filter is none; or this client writes through the file.
            AccessDenied: this client may not read, or not any more.
            ServiceUnavailable: the connection was lost, and there was none for `retry_s` seconds.
        """
        blocks = self._route.follow(path_of(filters))
        return (event_of(block) for block in blocks if block.name)

    # --- queues and limits ----------------------------------------------------------------------

    def limits(self) -> Sequence[LimitInfo]:
        """Return all limits, by name, with what is used of each."""
        found: list[LimitInfo] = []
        cursor: str | None = None
        while True:
            page = self._do(limit_calls.limits(cursor))
            found += page.limits
            cursor = page.next
            if cursor is None:
                return found

    def queue(self, name: str) -> ClientQueue:
        """Return the queue of this name, without asking whether there is one."""
        return ClientQueue(self._route, name)

    def limit(self, name: str) -> ClientLimit:
        """Return the limit of this name, without asking whether there is one."""
        return ClientLimit(self._route, name)

    @property
    def schedules(self) -> Schedules:
        """The schedules of the service."""
        return Schedules(self._route)

    # --- the call -------------------------------------------------------------------------------

    def _do(self, call: Call[T]) -> T:
        return self._route.do(call)
