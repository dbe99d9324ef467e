"""Clients that wait for the ends of tasks: each is one future, woken by the event of the end.

Nothing is polled. While no client waits, nothing is subscribed to, so events cost what they did.
An event only says that the row is worth reading. If one is lost, because the queue actor crashes
between a commit and its event, the wait ends when its time is up, with the truth from the row.
"""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from taskqueue.events import Event, events
from taskqueue.http import problems
from taskqueue.http.server.large import Client

_ENDS = frozenset({"task_completed", "task_dead_lettered", "task_cancelled"})

MOST = 1_000


class TaskWaits:
    """The clients that wait, by the task that they wait for."""

    def __init__(self, most: int = MOST) -> None:
        """Begin with none; there may be `most`, so that other requests find a connection."""
        self.count = 0
        self._most = most
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._subscription: AbstractContextManager[object] | None = None

    @contextmanager
    def registered(self, task_id: str) -> Iterator["asyncio.Future[None]"]:
        """Yield a future that is done once the task has ended: from here on no end is missed.

        Raises:
            Problem: 503, too many clients wait.
        """
        if self.count >= self._most:
            raise problems.unavailable("too many waits", f"At most {self._most} clients can wait.")
        self._loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = self._loop.create_future()
        self._add(task_id, ended)
        try:
            yield ended
        finally:
            self._discard(task_id, ended)

    async def wait(self, ended: "asyncio.Future[None]", wait_s: float, client: Client) -> None:
        """Wait for an end, for `wait_s` at most; a client that leaves is not waited for."""
        client.on_leave(lambda: _wake(ended))
        timer = asyncio.get_running_loop().call_later(wait_s, _wake, ended)
        try:
            await ended
        finally:
            timer.cancel()

    def release(self) -> None:
        """End every wait: the server stops."""
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
            _wake(ended)


def _wake(ended: "asyncio.Future[None]") -> None:
    if not ended.done():
        ended.set_result(None)
