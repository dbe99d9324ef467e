"""A clock that stands still until it is moved.

clock = ManualClock()
clock.advance(3600)          # wakes every wait for an instant in that hour
"""

import asyncio
import contextlib
import math
import threading
from dataclasses import dataclass, field

from taskqueue.clock import next_beat

START = 1_767_225_600.0
"""2026-01-01 00:00 UTC, where a manual clock begins."""

# Instants are sums of floats; one that is missed by less than this has come.
_ROUNDING_S = 1e-6


@dataclass(eq=False)
class _Wait:
    until: float
    limit: asyncio.Timeout
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)


class ManualClock:
    """Time that passes when it is told to; the same for instants and for durations."""

    def __init__(self, start: float = START) -> None:
        self._now = start
        self._lock = threading.RLock()
        self._waits: set[_Wait] = set()

    def now(self) -> float:
        """Return the time it was moved to, in seconds since 1970 (UTC)."""
        return self._now

    def monotonic(self) -> float:
        """Return the same."""
        return self._now

    def next_beat(self, period_s: float) -> float:
        """Return the next multiple of the period."""
        return next_beat(self._now, period_s)

    def advance(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.advance_to(self._now + seconds)

    def advance_to(self, instant: float) -> None:
        """Let the time pass until `instant`; nothing happens if that has been."""
        with self._lock:
            self._now = max(self._now, instant)
            due = [wait for wait in self._waits if wait.until <= self._now + _ROUNDING_S]
        for wait in due:
            with contextlib.suppress(RuntimeError):  # a closed loop has no waiter
                wait.loop.call_soon_threadsafe(self._end, wait)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait until `event` is set, or until the clock was moved by `timeout_s`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                wait = _Wait(self._now + timeout_s, limit)
                with self._lock:
                    self._waits.add(wait)
                try:
                    await event.wait()
                finally:
                    with self._lock:
                        self._waits.discard(wait)

    def _end(self, wait: _Wait) -> None:
        with self._lock:
            if wait in self._waits:
                self._waits.remove(wait)
                wait.limit.reschedule(-math.inf)
