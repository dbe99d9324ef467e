"""The server's clock, as a node knows it: all nodes of a database go by it.

    server's clock ──round trip──▶ offset from this machine's monotonic clock ─▶ now()

A node's own wall clock may be minutes off, or be set while it runs: that does not matter here.
"""

import asyncio

from taskqueue.clock import Clock, SystemClock
from taskqueue.storage.postgres.connections import SQL

MOST_UNSURE_S = 0.5
"""A measurement that may be wrong by more is ignored: the process was frozen, or the network."""

NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


class ServerClock:
    """A clock that is as exact as the latest measurement; this machine's until the first."""

    def __init__(self, own: Clock | None = None) -> None:
        """Make a clock that was not measured yet; `own` is this machine's."""
        self._own = own or SystemClock()
        self._ahead_s: float | None = None  # of the monotonic clock

    def now(self) -> float:
        """Return the server's wall clock, in seconds since the epoch, UTC."""
        if self._ahead_s is None:
            return self._own.now()
        return self._own.monotonic() + self._ahead_s

    def monotonic(self) -> float:
        """Return monotonic seconds of this machine."""
        return self._own.monotonic()

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait for the event, or for so long."""
        await self._own.wait(event, timeout_s)

    async def measure(self, db: SQL) -> None:
        """Ask the server for the time: it was that in the middle of the round trip.

        What this may be wrong by is half of the round trip.
        """
        asked = self._own.monotonic()
        server_at: float = await db.fetchval(NOW)
        unsure_s = (self._own.monotonic() - asked) / 2
        if unsure_s <= MOST_UNSURE_S or self._ahead_s is None:
            self._ahead_s = server_at - asked - unsure_s
