"""Waits for the ends of tasks: each is one future, woken by the event of the end.

Nothing is polled. While no caller waits, nothing is subscribed to, so events cost what they did.
An event only says that the row is worth reading. It is lost if the queue actor crashes between a
commit and its event, so a caller that waits for long reads the row again now and then.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from taskqueue.events import Event, events

_ENDS = frozenset({"task_completed", "task_dead_lettered", "task_cancelled"})


class TaskEnds:
    """The callers that wait, by the task that they wait for. It belongs to one loop."""

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._subscription: AbstractContextManager[object] | None = None

    @contextmanager
    def registered(self, task_id: str) -> Iterator["asyncio.Future[None]"]:
        """Yield a future that is done once the task has ended: from here on no end is missed."""
        self._loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = self._loop.create_future()
        self._add(task_id, ended)
        try:
            yield ended
        finally:
            self._discard(task_id, ended)

    def release(self) -> None:
        """End every wait: the service stops."""
        for task_id in [*self._waiting]:
            self._ended(task_id)

    def _add(self, task_id: str, ended: "asyncio.Future[None]") -> None:
        self._waiting.setdefault(task_id, set()).add(ended)
        self.count += 1
        if self._subscription is None:
            self._subscription = events.subscribed(self._on_event)
            self._subscription.__enter__()

    def _discard(self, task_id: str, ended: "asyncio.Future[None]") -> None:
        self._waiting[task_id].remove(ended)
        self.count -= 1
        if not self._waiting[task_id]:
            del self._waiting[task_id]
        if not self.count and self._subscription is not None:
            self._subscription.__exit__(None, None, None)
            self._subscription = None

    def _on_event(self, event: Event) -> None:
        """Called on the thread that publishes."""
        if event.name in _ENDS:
            task_id = str(event.fields["task_id"])
            if task_id in self._waiting and self._loop is not None:
                self._loop.call_soon_threadsafe(self._ended, task_id)

    def _ended(self, task_id: str) -> None:
        for ended in self._waiting.get(task_id, ()):
            wake(ended)


def wake(ended: "asyncio.Future[None]") -> None:
    """Let the caller go on that waits for this future."""
    if not ended.done():
        ended.set_result(None)
