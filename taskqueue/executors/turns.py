"""The turns of a loop on which attempts follow each other.

An attempt whose handler never waits costs no turn of the loop. While such follow each other, the
loop's messages, timers and other attempts would wait for ever.
"""

import asyncio
from time import monotonic  # bound now: libraries replace it in its module for a while

TURN_S = 0.001
"""For so long they may follow each other before the loop gets its turn."""


class Turns:
    """Gives one loop its turns."""

    def __init__(self) -> None:
        self._ends_at: float | None = None  # None: no attempt has begun in this turn

    @property
    def is_over(self) -> bool:
        """Whether `begin` should be awaited before the next attempt is taken."""
        return self._ends_at is None or monotonic() >= self._ends_at

    async def begin(self) -> None:
        """Begin a turn; before that, give the loop its own if attempts have followed for long."""
        if self._ends_at is not None:
            await asyncio.sleep(0)
        if self._ends_at is None:  # else another slot has been first
            self._ends_at = monotonic() + TURN_S
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self._ends_at = None
