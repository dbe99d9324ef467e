"""What was logged, to be asked and waited for by tests.

    await events.wait_for("child_restarted", child_id="database")

The events of the service are its visible life, so a test that waits for one waits for the fact and
not for a while.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import structlog
from structlog.typing import EventDict, WrappedLogger

from taskqueue.events import Event as PublishedEvent
from taskqueue.events import events
from taskqueue.logger import standard_processors

Event: TypeAlias = dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Waiter:
    event: str
    fields: Mapping[str, object]
    nth: int
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        # The loop may have been closed over its waiters.
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(self.arrived.set)


class EventLog:
    """Every event since it was made, from all threads, in the order in which they were logged."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # reentrant: a finaliser may log in here
        self._events: list[Event] = []
        self._waiters: set[_Waiter] = set()

    @contextlib.contextmanager
    def installed(self) -> Iterator["EventLog"]:
        """Record the events of the service until this is left, and what is logged beside them.

        That is what handlers, libraries and the app log with `structlog`, from loggers made before
        as well, but for levels that its configuration filters out. A call of `structlog.configure`
        inside begins without it.
        """
        # Changed in place, because loggers that were bound before hold these very lists.
        pipelines: list[list[Any]] = [structlog.get_config()["processors"], standard_processors]
        for processors in pipelines:
            known = processors.index(structlog.processors.add_log_level) + 1
            processors.insert(known, self._process)
        try:
            with events.subscribed(self._add):
                yield self
        finally:
            for processors in pipelines:
                processors.remove(self._process)

    def record(self, event: Mapping[str, Any]) -> None:
        """Add one event, such as a parsed line of another process. For any thread."""
        recorded = dict(event)
        with self._lock:
            self._events.append(recorded)
            waiters = [each for each in self._waiters if each.event == recorded.get("event")]
        for waiter in waiters:
            waiter.wake()

    def select(self, event: str, /, **fields: object) -> list[Event]:
        """Return the events of this name whose fields have these values, oldest first."""
        with self._lock:
            return self._select(event, fields)

    async def wait_for(
        self, event: str, /, *, timeout_s: float = 5.0, nth: int = 1, **fields: object
    ) -> Event:
        """Return the first event that `select` finds, or the `nth`; wait until there is one.

        Raises:
            TimeoutError: there was none within `timeout_s`; the text says what there was.
        """
        waiter = _Waiter(event, fields, nth)
        with self._lock:
            self._waiters.add(waiter)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._arrival(waiter)
        except TimeoutError:
            raise TimeoutError(self._missed(waiter, timeout_s)) from None
        finally:
            with self._lock:
                self._waiters.remove(waiter)

    async def _arrival(self, waiter: _Waiter) -> Event:
        while True:
            found = self.select(waiter.event, **waiter.fields)
            if len(found) >= waiter.nth:
                return found[waiter.nth - 1]
            await waiter.arrived.wait()
            waiter.arrived.clear()

    def _add(self, event: PublishedEvent) -> None:
        self.record({"event": event.name, "level": event.level, **event.fields})

    def _process(self, _: WrappedLogger, __: str, event: EventDict) -> EventDict:
        if not events.is_logging:
            self.record(event)
        return event

    def _select(self, event: str, fields: Mapping[str, object]) -> list[Event]:
        wanted = {"event": event, **fields}
        return [each for each in self._events if wanted.items() <= each.items()]

    def _missed(self, waiter: _Waiter, timeout_s: float) -> str:
        with self._lock:
            seen = "".join(f"\n  {each}" for each in self._events) or " nothing"
        fields = "".join(f" {name}={value!r}" for name, value in waiter.fields.items())
        return f"no {waiter.event!r}{fields} (nth={waiter.nth}) in {timeout_s:g} s; seen:{seen}"
