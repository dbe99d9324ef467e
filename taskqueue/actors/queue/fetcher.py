"""The fetcher: claims tasks when some are ready and there is room for them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence

from taskqueue.actors.queue.accepted_tasks import AcceptedTasks
from taskqueue.actors.queue.dispatch import DispatchBuffer
from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.actors.queue.lease_driver import LeaseDriver
from taskqueue.actors.queue.lease_keeper import LeaseKeeper
from taskqueue.actors.queue.limit_declaration import LimitDeclaration
from taskqueue.actors.storage_client import UNREACHABLE, RetryingClient
from taskqueue.clock import Clock
from taskqueue.events import events
from taskqueue.rules.leases.ledger import Leases
from taskqueue.rules.leases.values import Reservation
from taskqueue.rules.measures import TaskMeasures
from taskqueue.rules.tasks import Accepted, Delivery, NewTask, Owner, Unfinished
from taskqueue.runtime import ActorRef
from taskqueue.storage.protocol import Storage

# How long a new queue actor waits for consumers to register: one that is blocked cannot.
REGISTRATION_S = 1.0


class Fetcher:
    """Claims in a loop; regularly has leases extended and orphans settled."""

    def __init__(
        self,
        owner: Owner,
        queues: Sequence[str],
        lease_s: float,
        clock: Clock,
        *,
        ageing: Mapping[str, float],
        storage: RetryingClient,
        dispatch: DispatchBuffer[ActorRef],
        driver: LeaseDriver,
        schedule: FetchSchedule,
        accepted: AcceptedTasks,
        measures: TaskMeasures,
        limits: LimitDeclaration,
    ) -> None:
        """Make a fetcher that waits for `serve`.

        Args:
            owner: holds the leases.
            queues: those that are served.
            lease_s: how long a lease holds; it is extended after a third of that.
            clock: the time.
            ageing: the queues whose tasks age, and by how many seconds.
            storage: where the tasks are.
            dispatch: where deliveries go.
            driver: feeds the ledger with them.
            schedule: what to do next.
            accepted: counts new tasks.
            measures: counts when tasks are claimed.
            limits: have to be declared before anything is claimed.
        """
        self._owner = owner
        self._served = frozenset(queues)
        self._lease_s = lease_s
        self._clock = clock
        self._ageing = ageing
        self._storage = storage
        self._dispatch = dispatch
        self._driver = driver
        self._schedule = schedule
        self._accepted = accepted
        self._measures = measures
        self._limits = limits
        self._keeper = LeaseKeeper(
            owner, lease_s, clock, storage=storage, dispatch=dispatch, driver=driver
        )
        self._arrival = asyncio.Event()  # some of what was reserved has come
        self._is_claiming = False
        self.recovered = False
        """Whether leases of earlier incarnations are settled."""

    async def arrivals(self) -> None:
        """Wait until no claim is in flight."""
        while self._reserved():
            self._arrival.clear()
            await self._arrival.wait()

    def _reserved(self) -> int:
        with self._dispatch as leases:
            return leases.reserved

    async def heed_others(self) -> None:
        """Apply the requests of other processes now, not only at the next poll."""
        await self._keeper.heed_others()
        self._schedule.look_again()

    async def serve(self) -> None:
        """Extend leases, settle orphans, claim for a while, and repeat."""
        await self._await_registrations()
        while True:
            try:
                await self._limits.require()
                await self._search()
                self._say_ready()
                await self._claim_for(await self._keeper.search_in_s())
            except UNREACHABLE:
                await self._storage.again()

    async def _await_registrations(self) -> None:
        """Give the consumers some real time to register their running attempts."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REGISTRATION_S):
                while not self._is_complete():
                    self._schedule.changed.clear()
                    await self._schedule.changed.wait()

    def _is_complete(self) -> bool:
        with self._dispatch as leases:
            return leases.is_complete

    def _say_ready(self) -> None:
        if not self.recovered:
            self.recovered = True
            events.info("queue_ready", owner=f"{self._owner.node}/{self._owner.incarnation}")

    # --- enqueueing --------------------------------------------------------------------------

    async def enqueue(self, tasks: Sequence[NewTask]) -> tuple[Accepted, ...]:
        """Insert tasks; return once they are committed.

        If no task waits in their queue, as many as there is room for are claimed in that commit.
        """
        reservations = self._reservations_for(tasks)
        if reservations:
            return await self._insert_as_claimed(tasks, reservations)
        inserting = self._storage.send(Storage.insert, tasks, now=self._clock.now())
        # Not after the commit: what is claimed now is claimed with it.
        self._expect(tasks)
        accepted = await self._storage.answered(inserting)
        self._accepted.note(tasks, accepted)
        return accepted

    def _reservations_for(self, tasks: Sequence[NewTask]) -> Sequence[Reservation]:
        """Reserve room for tasks of queues in which, as far as we know, no task waits."""
        if self._is_claiming:
            return ()
        now, ready = self._clock.now(), self._schedule.hints.ready
        at = self._clock.monotonic()
        coming = Counter(
            task.queue
            for task in tasks
            if task.queue not in ready and (task.run_at is None or task.run_at <= now)
        )
        with self._dispatch as leases:
            reservations = [
                leases.reserve(queue, coming[queue], at=at)
                for queue in coming
                if queue in self._served
            ]
        return [reservation for reservation in reservations if reservation.room]

    async def _insert_as_claimed(
        self, tasks: Sequence[NewTask], reservations: Sequence[Reservation]
    ) -> tuple[Accepted, ...]:
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
            self._accepted.note(tasks, accepted)  # before they begin
        except UNREACHABLE:
            self._schedule.search_soon()  # they may be claimed, and their tokens are lost
            raise
        finally:
            for reservation in reservations:
                self._add(
                    reservation,
                    [each for each in deliveries if each.task.queue == reservation.queue],
                )
        if len(deliveries) < len(tasks):
            self._expect(tasks)
        return accepted

    def _add(self, reservation: Reservation, deliveries: Sequence[Delivery]) -> None:
        now = self._clock.monotonic()
        if deliveries:
            self._measures.claimed(reservation.queue, now)
            self._schedule.served(reservation.queue)
        if _limited(deliveries):
            self._schedule.hints.note_limited(reservation.queue)
        self._driver.feed(Leases.add, reservation, deliveries, at=now)
        self._arrival.set()

    def _expect(self, tasks: Sequence[NewTask]) -> None:
        for queue in {task.queue for task in tasks if task.limits is not None}:
            self._schedule.hints.note_limited(queue)
        for queue, run_at in {(task.queue, task.run_at or 0.0) for task in tasks}:
            self._schedule.expect_work(queue, run_at)

    # --- claiming ---------------------------------------------------------------------------

    async def _claim_for(self, period_s: float) -> None:
        """Claim for `period_s` seconds, whenever tasks are ready and there is room."""
        end, schedule = self._clock.monotonic() + period_s, self._schedule
        while self._clock.monotonic() < end and not schedule.search_is_due:
            if schedule.poll_is_due():
                await self._poll()
            schedule.changed.clear()
            for queue in self._claimable():
                await self._claim(queue)
            if not schedule.changed.is_set() and not self._claimable():
                await schedule.wait(end)

    async def _poll(self) -> None:
        """Note starts, and look for tasks that others have inserted.

        It does not claim, because a claim would compete with other writes.
        """
        await self._keeper.note_starts()
        await self._keeper.heed_now_and_then()
        for queue, due in (await self._storage.use(Storage.all_due)).items():
            self._schedule.expect_due(queue, due)
        self._driver.feed(Leases.wake)  # a consumer that was woken may be blocked
        self._driver.feed(Leases.release_late, at=self._clock.monotonic())
        self._schedule.polled(may_rest=await self._keeper.may_rest())

    def _claimable(self) -> tuple[str, ...]:
        """Return the queues with ready tasks and room for them."""
        hints = self._schedule.hints
        with self._dispatch as leases:
            return tuple(
                queue
                for queue in hints.ready
                if leases.room(queue) and (leases.slots(queue) or not hints.awaits_slot(queue))
            )

    async def _claim(self, queue: str) -> None:
        """Fill the room for one queue."""
        with self._dispatch as leases:
            reservation = leases.reserve(queue, at=self._clock.monotonic())
        if not reservation.room:
            return
        hints = self._schedule.hints
        came_due = hints.begin_claim(queue)
        deliveries = await self._claimed(reservation)
        is_full = sum(not each.chained for each in deliveries) == reservation.room
        if is_full or isinstance(deliveries, Unfinished):
            self._schedule.expect_work(queue)
        elif hints.is_limited(queue) and _limited(deliveries) >= reservation.slots:
            hints.await_slot(queue)
        if came_due or hints.is_limited(queue):
            await self._expect_next(queue)

    async def _expect_next(self, queue: str) -> None:
        if (due := await self._storage.use(Storage.next_due, queue)) is not None:
            self._schedule.expect_due(queue, due)

    async def _claimed(self, reservation: Reservation) -> Sequence[Delivery]:
        deliveries: Sequence[Delivery] = ()
        self._is_claiming = True
        try:
            deliveries = await self._storage.use(
                Storage.claim,
                reservation.queue,
                limit=reservation.room,
                most_limited=reservation.slots,
                chain=reservation.chain,
                ageing_s=self._ageing.get(reservation.queue),
                owner=self._owner,
                lease_s=self._lease_s,
                now=self._clock.now(),
            )
        finally:
            self._is_claiming = False
            self._add(reservation, deliveries)
        return deliveries

    # --- searching --------------------------------------------------------------------------

    async def _search(self) -> None:
        """Extend our leases, and settle orphans: attempts that no consumer will settle."""
        with self._dispatch as leases:
            leases.begin_search()
        # Ask the storage again, in case the clock was changed. Not later: once the extension is
        # answered, inserts in flight are committed, and their hints must be kept.
        self._schedule.forget()
        await self.arrivals()
        self._schedule.search_is_due = False
        await self._keeper.settle_orphans()


def _limited(deliveries: Sequence[Delivery]) -> int:
    """Return how many of these tasks have slots of limits."""
    return sum(each.task.limits is not None and not each.chained for each in deliveries)
