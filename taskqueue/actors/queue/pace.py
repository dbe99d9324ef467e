"""The pace at which a queue actor polls."""

import asyncio

from taskqueue.rules.polling import POLL_S, slower


class Pace:
    """Slows down from poll to poll that finds nothing to do, and is quick again after any news.

    Attributes:
        period_s: how often to poll now.
        quickened: set when the period gets shorter. Whoever waits for the next poll waits for this
            as well, and clears it.
    """

    def __init__(self) -> None:
        """Begin at the quick pace."""
        self.period_s = POLL_S
        self.quickened = asyncio.Event()

    def slow_down(self) -> None:
        """There is nothing to do, and the storage tells when that changes."""
        self.period_s = slower(self.period_s)

    def quicken(self) -> bool:
        """Something has happened; return whether the pace was slower."""
        was_slower = self.period_s > POLL_S
        self.period_s = POLL_S
        if was_slower:
            self.quickened.set()
        return was_slower
