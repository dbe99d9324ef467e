"""Waits for the ends of tasks and groups: each is one future, woken by the event of the end.

Nothing is polled. While no caller waits, nothing is subscribed to, so events cost what they did.
An event only says that the row is worth reading. It is lost if the queue actor crashes between a
commit and its event, so a caller that waits for long reads the row again now and then.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from taskqueue.events import Event, events

_ENDS = frozenset({"task_completed", "task_dead_lettered", "task_cancelled"})
_GROUP_END = "group_ended"

_awaited: Counter[str] = Counter()  # in how many of the `TaskEnds` of this process
_counting = threading.Lock()


def is_awaited(key: str) -> bool:
    """Tell whether a caller in this process waits for the end of this task or group; any thread."""
    return key in _awaited


def group_key(name: str) -> str:
    """Return by what a wait for a group is known; no task has this as its id."""
    return f"group {name}"


class TaskEnds:
    """The callers that wait, by what they wait for. It belongs to one loop.

    That is the id of a task, or the `group_key` of a group.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self.count = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}
        self._subscription: AbstractContextManager[object] | None = None

    @contextmanager
    def registered(self, key: str) -> Iterator["asyncio.Future[None]"]:
        """Yield a future that is done once it has ended: from here on no end is missed."""
        self._loop = asyncio.get_running_loop()
        ended: asyncio.Future[None] = self._loop.create_future()
        self._add(key, ended)
        try:
            yield ended
        finally:
            self._discard(key, ended)

    def release(self) -> None:
        """End every wait: the service stops."""
        for key in [*self._waiting]:
            self._ended(key)

    def _add(self, key: str, ended: "asyncio.Future[None]") -> None:
        if key not in self._waiting:
            self._waiting[key] = set()
            with _counting:
                _awaited[key] += 1
        self._waiting[key].add(ended)
        self.count += 1
        if self._subscription is None:
            self._subscription = events.subscribed(self._on_event, *_ENDS, _GROUP_END)
            self._subscription.__enter__()

    def _discard(self, key: str, ended: "asyncio.Future[None]") -> None:
        self._waiting[key].remove(ended)
        self.count -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            with _counting:
                _awaited[key] -= 1
                if not _awaited[key]:
                    del _awaited[key]
        if not self.count and self._subscription is not None:
            self._subscription.__exit__(None, None, None)
            self._subscription = None

    def _on_event(self, event: Event) -> None:
        """Called on the thread that publishes."""
        key = _key_of(event)
        if key in self._waiting and self._loop is not None:
            self._loop.call_soon_threadsafe(self._ended, key)

    def _ended(self, key: str) -> None:
        for ended in self._waiting.get(key, ()):
            wake(ended)


def _key_of(event: Event) -> str | None:
    if event.name in _ENDS:
        return str(event.fields["task_id"])
    return group_key(str(event.fields["group"])) if event.name == _GROUP_END else None


def wake(ended: "asyncio.Future[None]") -> None:
    """Let the caller go on that waits for this future."""
    if not ended.done():
        ended.set_result(None)
