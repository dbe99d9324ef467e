"""The fetcher: holds the leases of everything that is claimed and not settled."""

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from taskqueue.actors.queue.completer import Completer
from taskqueue.actors.queue.dispatch import DispatchBuffer, Reservation
from taskqueue.actors.queue.hints import ReadyHints
from taskqueue.actors.storage_client import UNREACHABLE, PatientClient
from taskqueue.clock import Clock
from taskqueue.logger import log
from taskqueue.rules.tasks import Accepted, Delivery, NewTask, Owner
from taskqueue.runtime import ActorRef
from taskqueue.storage.protocol import Storage

# How long a new queue actor waits for a consumer to say what it is busy with. One that is blocked
# by its handler cannot, so how often it looks whether that one is still there.
CALL_IN_S = 1.0
LOOK_S = 0.05

# How often to look for tasks that came past us: inserted by users, on connections of their own.
POLL_S = 0.5


class Fetcher:
    """Claims tasks for the dispatch buffer, extends leases, and settles for holders that are gone.

    It does one thing after the other, so that what is claimed and not yet in the dispatch buffer is
    never mistaken for an orphan.
    """

    def __init__(
        self,
        owner: Owner,
        queues: Sequence[str],
        lease_s: float,
        clock: Clock,
        *,
        storage: PatientClient,
        dispatch: DispatchBuffer[ActorRef],
        completer: Completer,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        wake: Callable[[], None],
        consumers: Callable[[], Iterable[ActorRef]],
        unwanted: Callable[[str, str], None],
    ) -> None:
        """Make a fetcher that waits for `serve`.

        Args:
            owner: whose leases they are.
            queues: those that are served.
            lease_s: how long a lease holds; a third of it is how often it is extended.
            clock: the time.
            storage: where the tasks are.
            dispatch: where deliveries go.
            completer: settles for those that nobody will.
            start_task: runs a coroutine as part of whoever owns the fetcher.
            wake: is called when there is something new on the dispatch buffer.
            consumers: returns the consumers that are alive, registered or not.
            unwanted: hears, again and again, of what we hold and somebody wants to be cancelled.
        """
        self._owner = owner
        self._served = frozenset(queues)
        self._lease_s = lease_s
        self._clock = clock
        self._storage = storage
        self._dispatch = dispatch
        self._completer = completer
        self._start_task = start_task
        self._wake = wake
        self._consumers = consumers
        self._unwanted = unwanted
        self._hints = ReadyHints(queues, clock)
        self._look_at = -math.inf  # when the storage is asked next what there is to claim
        self._noted: frozenset[str] = frozenset()  # what was running when we looked last
        self._wake_up = asyncio.Event()
        self._claiming = asyncio.Lock()
        # What is inserted as claimed: on its way, and whether some has gone astray.
        self._inserting: set[asyncio.Future[None]] = set()
        self._astray = False
        self._searching = True  # for orphans, so nothing is inserted as claimed meanwhile
        self.recovered = False
        """Whether what earlier lives left behind is settled."""

    def expect_work(self, queue: str, at: float = 0.0) -> None:
        """There are tasks of a queue to claim at that instant; 0: now."""
        if self._hints.expect(queue, at):
            self._wake_up.set()

    def expect_work_everywhere(self) -> None:
        """There may be tasks of any queue to claim now."""
        self._look_at = -math.inf
        self._wake_up.set()

    def look_again(self) -> None:
        """There may be more room at the dispatch buffer."""
        self._wake_up.set()

    async def release_buffer(self, *queues: str) -> None:
        """Give up what is buffered of these queues, or of all, once no claim is on its way.

        The dispatch buffer must be shut, or the queues paused in the storage: nothing follows.
        """
        async with self._claiming:
            await self._admitted()
            self._completer.release(self._dispatch.clear_buffer(*queues))

    async def serve(self) -> None:
        """Hold on to what is ours, then claim what comes; after any trouble begin again."""
        await self._await_registrations()
        while True:
            self._searching = True
            # The storage is asked anew, however the clock was set. Not later: when `_keep` is
            # answered, tasks that were on their way are committed, and what comes is expected.
            self._hints.forget()
            await self._admitted()
            self._astray = False
            try:
                await self._keep()
                await self._conclude_orphans()
                self._say_ready()
                self._searching = False
                self.expect_work_everywhere()
                await self._claim_for(self._lease_s / 3)
            except UNREACHABLE:
                await self._storage.again()

    def _say_ready(self) -> None:
        if not self.recovered:
            self.recovered = True
            log.info("queue_ready", owner=f"{self._owner.node}/{self._owner.incarnation}")

    # --- enqueueing --------------------------------------------------------------------------

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Insert tasks; answer once they are committed. They are tried from then on.

        Where nobody waits they are claimed with that commit, as far as there is room for them.
        """
        reservations = self._reservations_for(tasks)
        if reservations:
            return await self._insert_as_claimed(tasks, reservations)
        inserting = self._storage.send(Storage.insert, tasks, now=self._clock.now())
        # Not after the commit: what is claimed now is claimed with it.
        self._expect(tasks)
        return await self._storage.answered(inserting)

    def _reservations_for(self, tasks: Sequence[NewTask]) -> Sequence[Reservation]:
        """Keep room for those that come into a queue where nobody waits, as far as we know."""
        if self._searching or self._claiming.locked():
            return ()
        now, ready = self._clock.now(), self._hints.ready
        coming = Counter(
            task.queue
            for task in tasks
            if task.queue not in ready and (task.run_at is None or task.run_at <= now)
        )
        reservations = (
            self._dispatch.reserve(queue, coming[queue])
            for queue in coming
            if queue in self._served
        )
        return [reservation for reservation in reservations if reservation.room]

    async def _insert_as_claimed(
        self, tasks: Sequence[NewTask], reservations: Sequence[Reservation]
    ) -> tuple[Accepted, ...]:
        inserted = asyncio.get_running_loop().create_future()
        self._inserting.add(inserted)
        deliveries: Sequence[Delivery] = ()
        try:
            accepted, deliveries = await self._storage.use(
                Storage.insert_and_claim,
                tasks,
                room={reservation.queue: reservation.room for reservation in reservations},
                owner=self._owner,
                lease_s=self._lease_s,
                now=self._clock.now(),
            )
        except UNREACHABLE:
            self._astray = True  # they may be claimed, and nobody has them
            self._wake_up.set()
            raise
        finally:
            for reservation in reservations:
                self._dispatch.add(
                    reservation,
                    [each for each in deliveries if each.task.queue == reservation.queue],
                )
            inserted.set_result(None)
            self._inserting.discard(inserted)
        self._wake()
        if len(deliveries) < len(tasks):
            self._expect(tasks)
        return accepted

    def _expect(self, tasks: Sequence[NewTask]) -> None:
        for task in tasks:
            self.expect_work(task.queue, task.run_at or 0.0)

    async def _admitted(self) -> None:
        """Wait for what is on its way now."""
        if self._inserting:
            await asyncio.wait([*self._inserting])

    # --- claiming ---------------------------------------------------------------------------

    async def _claim_for(self, period_s: float) -> None:
        """Claim for a while, whenever there are ready tasks and room for them."""
        end = self._clock.monotonic() + period_s
        while (now := self._clock.monotonic()) < end and not self._astray:
            if now >= self._look_at:
                self._look_at = now + POLL_S
                await self._note_starts()
                await self._look_around()
                self._wake()  # whoever was told last may be blocked, and another take it
            self._wake_up.clear()
            for queue in self._claimable():
                await self._claim(queue)
            if not self._wake_up.is_set() and not self._claimable():
                left_s = min(end, self._look_at) - self._clock.monotonic()
                await self._clock.wait(self._wake_up, min(left_s, self._hints.in_s()))

    def _claimable(self) -> tuple[str, ...]:
        """Return the queues with ready tasks and room for them."""
        return tuple(queue for queue in self._hints.ready if self._dispatch.room(queue))

    async def _claim(self, queue: str) -> None:
        """Fill the room for one queue."""
        async with self._claiming:
            reservation = self._dispatch.reserve(queue)
            if not reservation.room:
                return
            came_due = self._hints.begin_claim(queue)
            deliveries: Sequence[Delivery] = ()
            try:
                deliveries = await self._storage.use(
                    Storage.claim,
                    queue,
                    limit=reservation.room,
                    owner=self._owner,
                    lease_s=self._lease_s,
                    now=self._clock.now(),
                )
            finally:
                self._dispatch.add(reservation, deliveries)
            self._wake()
        if len(deliveries) == reservation.room:
            self.expect_work(queue)
        if came_due:
            await self._expect_due(queue)

    async def _look_around(self) -> None:
        """See what is due next, also of what others have inserted, on connections of their own.

        Only looked at, because a claim takes the database from whoever writes just then.
        """
        for queue, due in (await self._storage.use(Storage.all_due)).items():
            self._expect_at(queue, due)

    async def _expect_due(self, queue: str) -> None:
        due = await self._storage.use(Storage.next_due, queue)
        if due is not None:
            self._expect_at(queue, due)

    def _expect_at(self, queue: str, due: float) -> None:
        self.expect_work(queue, 0.0 if due <= self._clock.now() else due)

    async def _heard_within(self, limit_s: float) -> None:
        """Wait for news, in real time: of the consumers, whose threads know no other."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._wake_up.wait()

    # --- keeping ----------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Extend the leases of what is ours, and repeat the notes of what has started.

        Done even if nothing is ours: when it is answered, whatever an earlier queue actor has sent
        is committed, and `_orphans` sees it. Only a settlement with statements may still wait, as
        another process commits it. Of that and of what is settled for an orphan the first counts.
        """
        self._noted = frozenset()
        await self._note_starts()
        lost = await self._storage.use(
            Storage.extend, tuple(self._ours()), lease_s=self._lease_s, now=self._clock.now()
        )
        self._dispatch.drop(lost)  # who runs it nevertheless is told when it is settled

    async def _note_starts(self) -> None:
        """Note for the consumers what they have begun: one that is blocked by it could not."""
        running = frozenset(self._dispatch.running)
        new = running - self._noted
        if new:
            await self._storage.use(Storage.start, tuple(new), now=self._clock.now())
        self._noted = running

    def _ours(self) -> set[str]:
        """Return the tokens of what somebody sees to: buffered, running, or being written."""
        return {*self._dispatch.held, *self._completer.unwritten}

    # --- rescuing ---------------------------------------------------------------------------

    async def _await_registrations(self) -> None:
        """Give the consumers a while to say what they are busy with."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CALL_IN_S
        while self.someone_is_silent() and loop.time() < end:
            self._wake_up.clear()
            await self._heard_within(LOOK_S)

    def someone_is_silent(self) -> bool:
        """Tell whether a consumer lives that has not said yet what it is busy with."""
        return not all(map(self._dispatch.knows, self._consumers()))

    async def _conclude_orphans(self) -> None:
        """Conclude for those that nobody will: their holder is gone, or silent past its lease."""
        orphans = await self._orphans()
        if orphans:
            await asyncio.wait([self._completer.settle_orphan(each) for each in orphans])

    async def _orphans(self) -> Sequence[Delivery]:
        ours = self._ours()
        held = await self._storage.use(Storage.held, self._owner)
        overdue = await self._storage.use(Storage.rescue, self._owner, now=self._clock.now())
        ours |= self._ours()  # what was registered, or finished, in the meantime
        for delivery in held:
            if delivery.token in ours and delivery.task.cancel_reason is not None:
                self._unwanted(delivery.token, delivery.task.cancel_reason)
        if self.someone_is_silent():
            ours.update(delivery.token for delivery in held)  # it may be busy with any of these
        found = {delivery.token: delivery for delivery in (*held, *overdue)}
        return [delivery for token, delivery in found.items() if token not in ours]
