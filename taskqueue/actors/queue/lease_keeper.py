"""The lease keeper: extends the leases of a queue actor, and finds orphans and requests."""

import asyncio
import contextlib
import math
from collections.abc import Sequence

from taskqueue.actors.coalesced import Coalesced
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock
from taskqueue.errors import StorageBusy
from taskqueue.events import events
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.polling import POLL_S
from taskqueue.rules.tasks import Delivery, Owner
from taskqueue.runtime import ActorRef
from taskqueue.storage.protocol import Storage

LEASE_OVER_S = 0.1
"""How long after the end of a lease to look: it holds at its end, and an extension may be late."""

RETURN_S = 17.0
"""After an outage, how long the other nodes have to extend their leases before these are rescued.
Longer than a connection may take to fail, and the longest pause before the next attempt."""


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
        self._heed_at = -math.inf
        self._extended_at: float | None = None
        self._rescue_from = -math.inf
        self.heed_others = Coalesced(self._heed_others)
        """Applies requests of other processes: drain this node, pause a queue, cancel a task."""
        self._heeding_drain = asyncio.Lock()  # what was read last has to be done last
        self._noted: frozenset[str] = frozenset()  # what was running when starts were noted last
        self._met: frozenset[str] = frozenset()  # attempts that ran at the last look

    async def settle_orphans(self) -> None:
        """Extend our leases, and settle orphans: attempts that no consumer will settle.

        The extension is sent even without leases: once it is answered, all writes of an earlier
        queue actor are committed, and `held` shows them. Only a settlement with statements may
        still wait, because another process commits it; if it competes with the orphan's, the first
        one counts.
        """
        await self._heed_drain()  # before the first claim of a new queue actor
        await self._extend()
        self._note_return()
        held = await self._storage.use(Storage.held, self._owner)
        if settling := self._driver.feed(Leases.end_search, held, await self._overdue()):
            await asyncio.wait(settling)

    def _note_return(self) -> None:
        """Note an extension; if it was late, give other nodes time for theirs.

        A lease is extended after a third of its time and lasts for two more thirds. It makes no
        difference whether the storage was away or slow, or this process was stopped.
        """
        now, last = self._clock.monotonic(), self._extended_at
        if last is not None and now - last > self._lease_s * 2 / 3:
            self._rescue_from = now + RETURN_S
        self._extended_at = now

    async def _overdue(self) -> Sequence[Delivery]:
        if self._clock.monotonic() < self._rescue_from:
            return ()
        return await self._storage.use(Storage.rescue, self._owner, now=self._clock.now())

    async def search_in_s(self) -> float:
        """Return the seconds until the next search for orphans.

        That is a third of our lease, when ours have to be extended, or the end of another node's
        first lease, so that a dead node's tasks are rescued as early as possible.
        """
        usual_s = self._lease_s / 3
        ends_at = await self._storage.use(Storage.next_lease_end, self._owner)
        if ends_at is None:
            return usual_s
        rescue_in_s = max(ends_at - self._clock.now(), 0.0) + LEASE_OVER_S
        return min(usual_s, max(rescue_in_s, self._rescue_from - self._clock.monotonic()))

    async def may_rest(self) -> bool:
        """Return whether there is no lease here, and the storage tells what others commit."""
        hears_others = await self._storage.use(Storage.hears_others)
        with self._dispatch as leases:
            return hears_others and not (leases.ours or leases.reserved)

    async def heed_now_and_then(self) -> None:
        """Apply the requests of other processes, if not done in the last half second."""
        if self._clock.monotonic() >= self._heed_at:
            self._heed_at = self._clock.next_beat(POLL_S)
            await self.heed_others()

    async def _heed_others(self) -> None:
        with contextlib.suppress(*UNREACHABLE):
            await self._heed_drain()
            await self._heed_pauses()
            await self._heed_cancellations()

    async def _heed_drain(self) -> None:
        async with self._heeding_drain:
            is_draining = await self._storage.use(Storage.is_draining, self._owner)
            with self._dispatch as leases:
                if leases.is_shut or leases.is_suspended == is_draining:
                    return
            self._driver.feed(Leases.suspend if is_draining else Leases.resume)
            events.info("node_draining" if is_draining else "node_resumed", node=self._owner.node)

    async def _heed_pauses(self) -> None:
        with self._dispatch as leases:
            buffered = leases.buffered_queues
        paused = await self._storage.use(Storage.paused) if buffered else {}
        if queues := [queue for queue in buffered if queue in paused]:
            self._driver.feed(Leases.release, *queues)

    async def _heed_cancellations(self) -> None:
        with self._dispatch as leases:
            if not leases.ours:
                return
        marked = await self._storage.use(Storage.cancel_requests, self._owner)
        for token, reason in marked.items():
            self._driver.feed(Leases.cancel, token, reason)

    async def note_starts(self) -> None:
        """Record starts for consumers that are blocked by a handler and cannot do so.

        Of attempts that the last call has met as well: of busy consumers, the others have ended by
        now, hundreds at a time, and only their reports are on their way.
        """
        with self._dispatch as leases:
            running = frozenset(leases.begun)
        lasting, self._met = running & self._met, running
        new = lasting - self._noted
        if new:
            await self._note(tuple(new))
        self._noted = lasting

    async def _note(self, begun: Sequence[str]) -> None:
        """Record starts; one that waits for another program is tried again later."""
        try:
            await self._storage.use(Storage.start, begun, now=self._clock.now())
        except StorageBusy:
            if len(begun) > 1:
                await asyncio.gather(*(self._note((token,)) for token in begun))

    async def _extend(self) -> None:
        self._noted = frozenset()
        await self.note_starts()
        with self._dispatch as leases:
            ours = leases.ours
        lost = await self._storage.use(
            Storage.extend, ours, lease_s=self._lease_s, now=self._clock.now()
        )
        self._driver.feed(Leases.lost, lost)
