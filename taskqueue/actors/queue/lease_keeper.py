"""The lease keeper: extends the leases of a queue actor, and settles what it runs no longer."""

import asyncio
import contextlib

from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.tasks import Owner
from taskqueue.runtime import ActorRef
from taskqueue.storage.protocol import Storage


class LeaseKeeper:
    """Keeps the storage's leases and the ledger in step."""

    def __init__(
        self,
        owner: Owner,
        lease_s: float,
        clock: Clock,
        *,
        storage: RetryingClient,
        dispatch: DispatchBuffer[ActorRef],
        driver: LeaseDriver,
    ) -> None:
        """Make a keeper of the leases of `owner`, which hold for `lease_s` seconds."""
        self._owner = owner
        self._lease_s = lease_s
        self._clock = clock
        self._storage = storage
        self._dispatch = dispatch
        self._driver = driver
        self._noted: frozenset[str] = frozenset()  # what was running when starts were noted last

    async def settle_orphans(self) -> None:
        """Extend our leases, and settle orphans: attempts that no consumer will settle.

        Leases are extended even if there are none: once that is answered, whatever an earlier
        queue actor sent is committed, and `held` shows it. Only a settlement with statements may
        still wait, as another process commits it. Of that and of an orphan's the first counts.
        """
        await self._extend()
        held = await self._storage.use(Storage.held, self._owner)
        overdue = await self._storage.use(Storage.rescue, self._owner, now=self._clock.now())
        if settling := self._driver.feed(Leases.end_search, held, overdue):
            await asyncio.wait(settling)

    async def cancel_marked(self) -> None:
        """Cancel what another process has marked."""
        with self._dispatch as leases:
            if not leases.ours:
                return
        with contextlib.suppress(*UNREACHABLE):
            marked = await self._storage.use(Storage.cancel_requests, self._owner)
            for token, reason in marked.items():
                self._driver.feed(Leases.cancel, token, reason)

    async def note_starts(self) -> None:
        """Record what consumers have started; one that its handler blocks cannot do so."""
        with self._dispatch as leases:
            running = frozenset(leases.begun)
        new = running - self._noted
        if new:
            await self._storage.use(Storage.start, tuple(new), now=self._clock.now())
        self._noted = running

    async def _extend(self) -> None:
        self._noted = frozenset()
        await self.note_starts()
        with self._dispatch as leases:
            ours = leases.ours
        lost = await self._storage.use(
            Storage.extend, ours, lease_s=self._lease_s, now=self._clock.now()
        )
        self._driver.feed(Leases.lost, lost)
