"""An event loop whose time passes only when nothing else is left to do.

What takes two seconds on the clock takes none here, and always happens in the same order.
"""

import asyncio
import selectors
from collections.abc import Callable


class Stuck(RuntimeError):
    """Somebody waits for what will never come: nothing is ready, and no timer is set."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop for actors that all live on it and talk to nobody outside."""

    def __init__(self) -> None:
        self._now = 0.0
        self._resting: list[asyncio.Future[None]] = []
        super().__init__(_TimelessSelector(self._pass_time))

    def time(self) -> float:
        return self._now

    async def rest(self) -> None:
        """Wait until every actor waits for a message and no timer is set."""
        waiter = self.create_future()
        self._resting.append(waiter)
        await waiter

    def _pass_time(self, seconds: float | None) -> None:
        if seconds is not None:
            self._now += seconds
        elif self._resting:
            for waiter in self._resting:
                waiter.set_result(None)
            self._resting.clear()
        else:
            raise Stuck("nothing is left to happen, but somebody waits")


class _TimelessSelector(selectors.DefaultSelector):
    """A selector that never waits, but tells how long it would have."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self._pass_time(timeout)
        return super().select(0)


class LoopClock:
    """The time of the loop that runs; both clocks of it."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
