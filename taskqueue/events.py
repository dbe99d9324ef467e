"""Events: what happens in the service, published once, for the log and for every other subscriber.

    events.info("queue_paused", queue="mail")

    with events.subscribed(Buffer(1000)) as buffer:
        for event in await buffer.next():
            print(event.name, event.fields)

`docs/logs.md` lists the events. Publishing neither waits for a subscriber nor raises.
"""

import asyncio
import contextlib
import logging
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from time import time
from typing import Literal, TypeAlias, TypeVar, get_args

from taskqueue.foreign import rendering
from taskqueue.logger import log
from taskqueue.structs import Struct

Level: TypeAlias = Literal["debug", "info", "warning", "error"]


class Event(Struct, gc=True):  # an exception in its fields may be part of a cycle
    """One thing that happened. An exception is in the field `exc_info`."""

    name: str
    level: Level
    fields: dict[str, object]
    at: float  # UTC epoch seconds


_NUMBERS = {each: logging.getLevelNamesMapping()[each.upper()] for each in get_args(Level)}
Subscriber: TypeAlias = Callable[[Event], None]
S = TypeVar("S", bound=Subscriber)


class Events:
    """Publishes events, from any thread.

    The log is the subscriber that is always there. It gets the bare fields: an `Event` is made for
    the others only, so a line costs what it cost without them.
    """

    def __init__(self) -> None:
        self._subscribers: tuple[Subscriber, ...] = ()
        self._lock = threading.RLock()  # reentrant: a finaliser may publish in here
        self._thread = threading.local()

    def debug(self, name: str, /, **fields: object) -> None:
        """Publish what matters only when something is looked into."""
        self._publish("debug", name, fields)

    def info(self, name: str, /, **fields: object) -> None:
        """Publish what is expected to happen."""
        self._publish("info", name, fields)

    def warning(self, name: str, /, **fields: object) -> None:
        """Publish a fault that the service has dealt with."""
        self._publish("warning", name, fields)

    def error(self, name: str, /, **fields: object) -> None:
        """Publish a fault that a human should look into."""
        self._publish("error", name, fields)

    def are_wanted(self, level: Level) -> bool:
        """Return whether events of this level reach a subscriber or the log."""
        return bool(self._subscribers) or bool(log.is_enabled_for(_NUMBERS[level]))

    @contextlib.contextmanager
    def subscribed(self, subscriber: S) -> Iterator[S]:
        """Call `subscriber` with each event until this is left, whatever the level of the log.

        It is called on the publishing thread and must return at once: a `Buffer` does, and keeps
        the events for a reader of any speed. If it raises, it is removed, which is an event itself.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)
        try:
            yield subscriber
        finally:
            self._remove(subscriber)

    @property
    def is_logging(self) -> bool:
        """Whether this thread is writing an event to the log, after the subscribers got it."""
        return getattr(self._thread, "is_logging", False)

    def _publish(self, level: Level, name: str, fields: dict[str, object]) -> None:
        if not self._subscribers:
            _log(level, name, fields)
            return
        event = Event(name=name, level=level, fields=fields, at=time())
        for subscriber in self._subscribers:
            self._deliver(event, subscriber)
        self._thread.is_logging = True
        try:
            _log(level, name, fields)
        finally:
            self._thread.is_logging = False

    def _deliver(self, event: Event, subscriber: Subscriber) -> None:
        try:
            subscriber(event)
        except BaseException as error:  # noqa: BLE001 - it must not harm what publishes
            self._remove(subscriber)
            self.error("event_subscriber_failed", exc_info=error)

    def _remove(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._subscribers = tuple(s for s in self._subscribers if s is not subscriber)


class Buffer:
    """Keeps the latest events for one reader; a full buffer drops the oldest."""

    def __init__(self, limit: int) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._lock = threading.RLock()  # reentrant: a finaliser may publish in here
        self._wake: Callable[[], object] | None = None
        self.dropped = 0
        """How many events the reader has missed."""

    def __call__(self, event: Event) -> None:
        """Add an event; wake the reader if it waits."""
        with self._lock:
            self.dropped += len(self._events) == self._events.maxlen
            self._events.append(event)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def take(self) -> list[Event]:
        """Return the events since the last call, oldest first, without waiting."""
        with self._lock:
            taken = [*self._events]
            self._events.clear()
        return taken

    async def next(self) -> list[Event]:
        """Wait until there are events; return all of them, oldest first."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._events:
                return self.take()
            self._wake = partial(loop.call_soon_threadsafe, arrived.set)
        await arrived.wait()
        return self.take()


events = Events()


def _log(level: Level, name: str, fields: dict[str, object]) -> None:
    """Write an event to the log. It holds what user code made, and a processor of the app may
    raise: then its fields are written as text.
    """
    try:
        getattr(log.bind(), level)(name, **fields)
    except BaseException as error:  # noqa: BLE001 - user code may raise anything
        _log_as_text(level, name, fields, error)


def _log_as_text(level: Level, name: str, fields: dict[str, object], error: BaseException) -> None:
    texts = {key: rendering.text(value) for key, value in fields.items() if key != "exc_info"}
    texts["log_error"] = rendering.type_name(error)
    try:
        getattr(log.bind(), level)(name, **texts)
    except BaseException:  # noqa: BLE001 - the log itself is broken
        with contextlib.suppress(Exception):
            print(f"{level} {name} {texts}", file=sys.stderr)  # noqa: T201 - no log is left
