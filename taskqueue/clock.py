"""Time, as an argument.

Rules and storage take `now`; actors take a `Clock`, so a test can hold time still and move it
to the very edge of a lease.
"""

import asyncio
import contextlib
import sys

# Bound now: handlers share this process, and libraries replace these in their module for a while.
from time import clock_gettime, monotonic, time
from typing import Protocol, TypeVar

if sys.platform == "linux":
    from time import CLOCK_BOOTTIME as _SINCE_BOOT
else:
    from time import CLOCK_MONOTONIC as _SINCE_BOOT

L = TypeVar("L", bound=asyncio.AbstractEventLoop)


class Clock(Protocol):
    """Where an actor reads the time."""

    def now(self) -> float:
        """Return the wall clock, in seconds since the epoch, UTC. Instants (`_at`) are such."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never run backwards, for measuring how long something took."""
        ...

    def next_beat(self, period_s: float) -> float:
        """Return when to do next what repeats, on the monotonic clock: see the function.

        Services that share a database each have a phase of their own, so that those which were
        started together do not ask it together.
        """
        ...

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait until `event` is set, or until `timeout_s` monotonic seconds have passed."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return the wall clock in seconds since the epoch, UTC."""
        return time()

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return monotonic()

    def next_beat(self, period_s: float) -> float:
        """Return the next multiple of the period."""
        return next_beat(monotonic(), period_s)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait for the event, or in real time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await event.wait()


def since_boot() -> float:
    """Return seconds that never run backwards.

    On Linux they run on while the machine is suspended, as `monotonic` does not.
    """
    return clock_gettime(_SINCE_BOOT)


def next_beat(now: float, period_s: float, phase_s: float = 0.0) -> float:
    """Return the next multiple of a period, counted from `phase_s`, on the monotonic clock.

    What repeats is done at these instants, so that an idle service wakes once for all of it: a
    processor that has slept is slow at first.

    >>> next_beat(10.1, 0.5), next_beat(10.5, 0.5), next_beat(10.5, 0.5, phase_s=0.2)
    (10.5, 11.0, 10.7)
    """
    return ((now - phase_s) // period_s + 1) * period_s + phase_s


def with_bound_clock(loop: L) -> L:
    """Return the loop, whose timers go by the clock that was there when this was imported."""
    loop.time = monotonic  # type: ignore[method-assign]  # asyncio looks it up at each call
    return loop
