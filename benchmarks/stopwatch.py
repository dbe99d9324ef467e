"""A stopwatch: how long something that breaks takes to be back."""

import asyncio
from collections.abc import Callable
from time import perf_counter


class Stopwatch:
    """Started by what breaks, stopped by what comes to life again, both on one loop."""

    def __init__(self) -> None:
        self._started_at = 0.0
        self._lap: asyncio.Future[float] | None = None

    def start(self) -> None:
        """Say that it breaks now."""
        self._started_at = perf_counter()

    def stop(self) -> None:
        """Say that it is back. Its first life ends no lap."""
        took_s = perf_counter() - self._started_at
        if self._lap is not None:
            self._lap.set_result(took_s)
            self._lap = None

    async def lap_s(self, harm: Callable[[], object]) -> float:
        """Do harm; return how many seconds lay between `start` and `stop`."""
        lap: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._lap = lap
        harm()
        return await lap
