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
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from time import time
from typing import Generic, Literal, TypeAlias, TypeVar, get_args

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
T = TypeVar("T")


def _method(level: Level) -> Callable[..., None]:
    """Return the method that publishes at this level.

    A line of the log costs as much as it does without this port: two are in the life of each task.
    What it says comes from user code, and a processor of the app may raise: then it is written as
    text.
    """

    def publish(self: "Events", name: str, /, **fields: object) -> None:
        if self.subscribers or name in self.listeners:
            self.deliver(level, name, fields)
            return
        try:
            getattr(log.service or log.bind(), level)(name, **fields)
        except BaseException as error:  # noqa: BLE001 - user code may raise anything
            _log_as_text(level, name, fields, error)

    return publish


class Events:
    """Publishes events, from any thread.

    The log is the subscriber that is always there. It gets the bare fields: an `Event` is made for
    the others only.

        events.debug("http_request", …)         what matters when something is looked into
        events.info("task_completed", …)        what is expected to happen
        events.warning("task_rescued", …)       a fault that the service has dealt with
        events.error("task_dead_lettered", …)   a fault that a human should look into
    """

    def __init__(self) -> None:
        self.subscribers: tuple[Subscriber, ...] = ()
        self.listeners: Mapping[str, tuple[Subscriber, ...]] = {}  # by the name of the event
        self._lock = threading.RLock()  # reentrant: a finaliser may publish in here
        self._thread = threading.local()

    debug = _method("debug")
    info = _method("info")
    warning = _method("warning")
    error = _method("error")

    def are_wanted(self, level: Level, name: str) -> bool:
        """Return whether events of this level and name reach a subscriber or the log."""
        if self.subscribers or name in self.listeners:
            return True
        return bool((log.service or log.bind()).is_enabled_for(_NUMBERS[level]))

    @contextlib.contextmanager
    def subscribed(self, subscriber: S, *names: str) -> Iterator[S]:
        """Call `subscriber` with each event until this is left, whatever the level of the log.

        With `names` it gets these events only, and all others cost no more than without it.

        It is called on the publishing thread and must return at once: a `Buffer` does, and keeps
        the events for a reader of any speed. If it raises, it is removed, which is an event itself.
        """
        with self._lock:
            if names:
                listeners = dict(self.listeners)
                for name in names:
                    listeners[name] = (*listeners.get(name, ()), subscriber)
                self.listeners = listeners
            else:
                self.subscribers = (*self.subscribers, subscriber)
        try:
            yield subscriber
        finally:
            self._remove(subscriber)

    @property
    def is_logging(self) -> bool:
        """Whether this thread is writing an event to the log, after the subscribers got it."""
        return getattr(self._thread, "is_logging", False)

    def deliver(self, level: Level, name: str, fields: dict[str, object]) -> None:
        """Publish an event to the subscribers, and to the log at last."""
        event = Event(name=name, level=level, fields=fields, at=time())
        for subscriber in (*self.subscribers, *self.listeners.get(name, ())):
            self._deliver(event, subscriber)
        self._thread.is_logging = True
        try:
            getattr(_log_alone, level)(name, **fields)
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
            self.subscribers = _without(self.subscribers, subscriber)
            left = {name: _without(each, subscriber) for name, each in self.listeners.items()}
            self.listeners = {name: each for name, each in left.items() if each}


def _without(subscribers: tuple[Subscriber, ...], one: Subscriber) -> tuple[Subscriber, ...]:
    return tuple(each for each in subscribers if each is not one)


class Buffer(Generic[T]):
    """Keeps the latest items, such as events, for one reader; a full buffer drops the oldest."""

    def __init__(self, limit: int) -> None:
        self._items: deque[T] = deque(maxlen=limit)
        self._lock = threading.RLock()  # reentrant: a finaliser may publish in here
        self._wake: Callable[[], object] | None = None
        self.dropped = 0
        """How many of them the reader has missed."""

    def __call__(self, item: T) -> None:
        """Add an item; wake the reader if it waits."""
        with self._lock:
            self.dropped += len(self._items) == self._items.maxlen
            self._items.append(item)
            wake, self._wake = self._wake, None
        if wake is not None:
            wake()

    def take(self) -> list[T]:
        """Return the items since the last call, oldest first, without waiting."""
        with self._lock:
            taken = [*self._items]
            self._items.clear()
        return taken

    async def next(self) -> list[T]:
        """Wait until there are items; return all of them, oldest first."""
        loop, arrived = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if self._items:
                return self.take()
            self._wake = partial(loop.call_soon_threadsafe, arrived.set)
        await arrived.wait()
        return self.take()


events = Events()
_log_alone = Events()


def _log_as_text(level: Level, name: str, fields: dict[str, object], error: BaseException) -> None:
    texts = {key: rendering.text(value) for key, value in fields.items() if key != "exc_info"}
    texts["log_error"] = rendering.type_name(error)
    try:
        getattr(log.bind(), level)(name, **texts)
    except BaseException:  # noqa: BLE001 - the log itself is broken
        with contextlib.suppress(Exception):
            print(f"{level} {name} {texts}", file=sys.stderr)  # noqa: T201 - no log is left
