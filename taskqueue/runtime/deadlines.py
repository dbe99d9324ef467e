"""Deadlines: time limits of waits, with one timer per loop for all waits of the same length.

A timer for each wait would cost as much as the rest of an ask, and nearly all would be cancelled.
"""

import asyncio
import threading
from typing import TypeAlias

Waiter: TypeAlias = "asyncio.Future[None]"


class Deadline:
    """The waits of one length on one loop: the first to begin expires first."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit_s: float) -> None:
        self._loop = loop
        self._limit_s = limit_s
        self._expires_at: dict[Waiter, float] = {}  # in the order in which they began
        self._armed = False

    @staticmethod
    def of(loop: asyncio.AbstractEventLoop, limit_s: float) -> "Deadline":
        """Return the one for waits of `limit_s` seconds on the running loop."""
        if _here.loop is not loop:
            _here.loop, _here.deadlines = loop, {}
        deadline = _here.deadlines.get(limit_s)
        if deadline is None:
            deadline = _here.deadlines[limit_s] = Deadline(loop, limit_s)
        return deadline

    def begin(self, waiter: Waiter) -> None:
        """Have `waiter` done after the limit, unless `end` is called before."""
        self._expires_at[waiter] = expires_at = self._loop.time() + self._limit_s
        if not self._armed:
            self._armed = True
            self._loop.call_at(expires_at, self._expire)

    def end(self, waiter: Waiter) -> None:
        """Forget a wait."""
        self._expires_at.pop(waiter, None)

    def _expire(self) -> None:
        now = self._loop.time()
        while self._expires_at:
            waiter, expires_at = next(iter(self._expires_at.items()))
            if expires_at > now:
                self._loop.call_at(expires_at, self._expire)
                return
            del self._expires_at[waiter]
            if not waiter.done():
                waiter.set_result(None)
        self._armed = False
        if _here.deadlines.get(self._limit_s) is self:
            del _here.deadlines[self._limit_s]


class _Here(threading.local):
    """What belongs to the loop that this thread runs."""

    loop: asyncio.AbstractEventLoop | None = None
    deadlines: dict[float, Deadline]


_here = _Here()
