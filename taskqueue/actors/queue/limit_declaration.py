"""Declares the app's limits to the storage once, before anything is claimed."""

import asyncio
import contextlib
from collections.abc import Mapping

from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock
from taskqueue.rules.limits import LimitValues
from taskqueue.storage.protocol import Storage

PATIENCE_S = 1.0
"""How long the start of the queue actor waits for a storage that hangs."""


class LimitDeclaration:
    """Declares the app's limits; values that were changed at run time are kept."""

    def __init__(
        self, limits: Mapping[str, LimitValues], storage: StorageClient, clock: Clock
    ) -> None:
        """Make one that has declared nothing yet."""
        self._limits = limits
        self._storage = storage
        self._clock = clock
        self._is_made = False

    async def begin(self) -> None:
        """Declare now if the storage serves: HTTP, which starts later, shows the limits."""
        with contextlib.suppress(*UNREACHABLE, TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                await self.require()

    async def require(self) -> None:
        """Declare the limits, unless that is done.

        Raises:
            StorageUnavailable, ActorError: the storage is away.
        """
        if not self._is_made:
            await self._storage.use(Storage.declare_limits, self._limits, now=self._clock.now())
            self._is_made = True
