"""The server's clock, as a node knows it: all nodes of a database go by it.

    server's clock ──round trip──▶ offset from the time since this machine's boot ─▶ now()

A node's own wall clock may be minutes off, or be set while it runs: that does not matter here. A
machine may also be suspended: that time counts, so that it does not believe in the past when it
goes on.
"""

import asyncio
import random
from collections.abc import Callable

from taskqueue.clock import Clock, SystemClock, next_beat, since_boot
from taskqueue.storage.postgres.connections import SQL

MOST_UNSURE_S = 0.5
"""A measurement that may be wrong by more is ignored: the process was frozen, or the network."""

PHASES_S = 60.0
"""The phases of nodes are spread over the longest period with which they ask the server."""

NOW = "SELECT extract(epoch FROM clock_timestamp())::float8"


class ServerClock:
    """A clock that is as exact as the latest measurement; this machine's until the first."""

    def __init__(
        self,
        own: Clock | None = None,
        *,
        elapsed: Callable[[], float] = since_boot,
        phase_s: float | None = None,
    ) -> None:
        """Make a clock that was not measured yet.

        Args:
            own: that of this machine.
            elapsed: seconds that never run backwards, and run on while the machine is suspended.
            phase_s: of the beats of this node; None: any, so that it differs from other nodes.
        """
        self._own = own or SystemClock()
        self._elapsed = elapsed
        self._phase_s = random.uniform(0.0, PHASES_S) if phase_s is None else phase_s  # noqa: S311
        self._ahead_s: float | None = None  # of `elapsed`

    def now(self) -> float:
        """Return the server's wall clock, in seconds since the epoch, UTC."""
        if self._ahead_s is None:
            return self._own.now()
        return self._elapsed() + self._ahead_s

    def monotonic(self) -> float:
        """Return monotonic seconds of this machine."""
        return self._own.monotonic()

    def next_beat(self, period_s: float) -> float:
        """Return the next beat of this node. Those of longer periods are beats of shorter ones."""
        return next_beat(self.monotonic(), period_s, self._phase_s)

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        """Wait for the event, or for so long."""
        await self._own.wait(event, timeout_s)

    async def measure(self, db: SQL) -> None:
        """Ask the server for the time: it was that in the middle of the round trip.

        What this may be wrong by is half of the round trip.
        """
        asked = self._elapsed()
        server_at: float = await db.fetchval(NOW)
        unsure_s = (self._elapsed() - asked) / 2
        if unsure_s <= MOST_UNSURE_S or self._ahead_s is None:
            self._ahead_s = server_at - asked - unsure_s
