"""Something that is to be done again after each event, however fast events come."""

import asyncio
from collections.abc import Awaitable, Callable


class Coalesced:
    """Does something for one call after the other; calls that come meanwhile share the next run.

    So what takes longer than the events are apart does not pile up.
    """

    def __init__(self, run: Callable[[], Awaitable[None]]) -> None:
        """Do `run` when called."""
        self._run = run
        self._turn = asyncio.Lock()
        self._calls = 0
        self._served = 0

    async def __call__(self) -> None:
        """Return when a run has ended that began after this call."""
        self._calls += 1
        call = self._calls
        async with self._turn:
            if self._served < call:
                serves = self._calls
                await self._run()
                self._served = serves
