"""The lease ledger: decides about every lease this queue actor holds.

Events come in as method calls, actions go out. Each token is in one place at a time:

    reserve ─▶ add ─▶ buffered ─take─▶ running ─finished, gone─▶ settling ─settled─▶ forgotten
                └──▶ chained ──take─────▲                          ▲
                         └──────── cancel, release ────────────────┘

What the storage says this owner holds, and is in none of these places, is an orphan.
"""

from collections.abc import Collection, Iterable, Sequence

from taskqueue.attempt_log import AttemptLog
from taskqueue.rules.leases.buffers import Buffers
from taskqueue.rules.leases.registrations import Registration, Registrations
from taskqueue.rules.leases.releases import Releases, never_begun
from taskqueue.rules.leases.values import (
    Actions,
    C,
    CancelRunning,
    ConsumerEnd,
    Finished,
    NothingRuns,
    Reservation,
    Search,
    Taken,
    Wake,
)
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.tasks import Cancelled, Delivery, Interrupted


class Leases(Releases[C]):
    """The leases of one queue actor; begins with a search for what earlier ones have left."""

    def __init__(
        self,
        queues: Sequence[str],
        prefetch: int,
        retry: RetryPolicy,
        *,
        fair: Collection[str] = (),
    ) -> None:
        """Make a ledger without leases.

        Args:
            queues: those that are served.
            prefetch: how many deliveries of each may wait beyond the free slots, at least: up to
                `MOST_AHEAD` while tasks end faster than they are claimed.
            retry: decides what becomes of orphans.
            fair: those whose tasks take turns. None waits beyond the free slots: it would start
                before the tasks of others whose turn is earlier.
        """
        super().__init__(retry)
        self._buffers = Buffers(queues, prefetch, fair)
        self._consumers: Registrations[C] = Registrations()
        # During a search: every token that has been ours since it began.
        self._seen: set[str] | None = set()
        self.reserved = 0
        """How many reservations wait for their deliveries."""
        self.is_shut = False
        """Whether nothing can be taken any more."""
        self.is_suspended = False
        """Whether nothing is claimed until `resume`."""

    # --- consumers --------------------------------------------------------------------------

    def expect(self, consumer: C) -> None:
        """A consumer lives and may run anything that is held, until it has registered."""
        self._consumers.expect(consumer)

    def register(
        self, consumer: C, slots: int, queues: Collection[str], running: Iterable[Taken] = ()
    ) -> Actions[C]:
        """A consumer registers with its queues and running attempts."""
        registration = Registration(slots, queues, running)
        self._consumers.add(consumer, registration)
        self._see(registration.running)
        waited = self._chains.inherit(each.delivery for each in registration.running.values())
        return (*self._settle_alike(waited, Interrupted()), *self._slots_changed())

    def resize(self, consumer: C, slots: int) -> Actions[C]:
        """A consumer has so many slots now. What it runs beyond them goes on.

        If they are fewer, what is buffered is released: it may hold slots of limits.
        """
        registration = self._consumers.get(consumer)
        if registration is None:
            return ()
        are_fewer, registration.slots = slots < registration.slots, slots
        released = self.release(*registration.queues) if are_fewer else ()
        return (*released, *self._slots_changed())

    def leave(self, consumer: C) -> dict[str, str]:
        """A consumer stops and gets no more deliveries. Return the reasons of its cancellations."""
        registration = self._consumers.get(consumer)
        if registration is not None:
            registration.slots = 0
        return dict(self._unwanted)

    def take(
        self, consumer: C, *, after: Delivery | None = None, now: float, at: float
    ) -> Taken | None:
        """Give a consumer a delivery to run; None if there is none for it.

        Args:
            consumer: which has a free slot.
            after: what has just succeeded in that slot: the next in its chain is given then.
            now: the wall clock.
            at: the monotonic clock.
        """
        registration = self._consumers.get(consumer)
        if registration is None or not registration.slots or self.is_shut:
            return None
        delivery = None if after is None else self._chains.next(after, at=at)
        delivery = delivery or self._buffers.take(registration.queues, at)
        if delivery is None:
            registration.waits = True
            return None
        taken = registration.running[delivery.token] = Taken(delivery, now, AttemptLog())
        return taken

    def finished(self, consumer: C, finished: Sequence[Finished]) -> Actions[C]:
        """A consumer reports outcomes. Those of a consumer that has ended are settled already."""
        registration = self._consumers.get(consumer)
        running = {} if registration is None else registration.running
        own = [each for each in finished if running.pop(each.delivery.token, None) is not None]
        return (self._settle([*own, *self._released_by(own)]), *self._slots_changed())

    def gone(self, consumer: C, end: ConsumerEnd) -> Actions[C]:
        """A consumer has ended, and its attempts with it."""
        was_silent = self._consumers.expects(consumer)
        finished = [
            Finished(
                delivery=each.delivery,
                outcome=end.outcome_of(token),
                started_at=each.at,
                log=each.log.text(),
            )
            for token, each in self._consumers.remove(consumer).items()
        ]
        released = self._released_by(finished)
        return (
            *((self._settle(finished, f"{end.consumer} ended: {end.reason}"),) if finished else ()),
            *((self._settle(released),) if released else ()),
            *((Search(),) if was_silent else ()),  # only the storage knows what it ran
            *self._slots_changed(),
        )

    def serving(self, queue: str) -> int:
        """Return how many consumers serve a queue."""
        return self._consumers.serving(queue)

    def buffered(self, queue: str) -> int:
        """Return how many deliveries of a queue wait for a free slot."""
        return len(self._buffers[queue].deliveries)

    def is_idle(self, consumer: C) -> bool:
        """Tell whether a consumer has registered, and runs nothing."""
        registration = self._consumers.get(consumer)
        return registration is not None and not registration.running

    def _slots_changed(self) -> Actions[C]:
        return (*self.wake(), *((NothingRuns(),) if self._nothing_runs else ()))

    @property
    def _nothing_runs(self) -> bool:
        return self.is_shut and self.is_complete and not self.running

    def wake(self) -> Actions[C]:
        """Wake as many consumers as the waiting deliveries need, besides those already woken."""
        if self.is_shut:
            return ()
        return tuple(
            Wake(consumer=consumer)
            for queue, deliveries in self._buffers.waiting
            for consumer in self._consumers.wake(queue, deliveries)
        )

    # --- claims -----------------------------------------------------------------------------

    def room(self, queue: str) -> int:
        """Return how many deliveries of a queue to claim now; none without a consumer for them."""
        free = self._consumers.free(queue)
        return 0 if free is None or self._claims_nothing else self._buffers[queue].room(free)

    def slots(self, queue: str) -> int:
        """Return how many slots for a queue are free, beyond those that buffered deliveries fill.

        A task that has limits is claimed into one of these only: in the buffer it would keep others
        from running.
        """
        free = self._consumers.free(queue)
        return 0 if free is None or self._claims_nothing else self._buffers[queue].slots(free)

    def reserve(self, queue: str, most: int | None = None, *, at: float) -> Reservation:
        """Reserve room for up to `most` deliveries until `add`; None: as much as a claim may fill.

        During a search there is no room for claimed inserts, as they would look like orphans.
        """
        buffer, free = self._buffers[queue], self._consumers.free(queue)
        if free is None or self._claims_nothing or self._seen is not None:
            return buffer.reserve(queue, 0, at)
        room = buffer.room(free) if most is None else min(most, buffer.space(free))
        self.reserved += room > 0
        reservation = buffer.reserve(queue, room, at, free)
        chain = 0 if buffer.takes_turns or not self.is_complete else self._chains.allowance(queue)
        return reservation._replace(chain=chain, era=self._chains.era) if chain else reservation

    def add(
        self, reservation: Reservation, deliveries: Sequence[Delivery], *, at: float
    ) -> Actions[C]:
        """Add claimed deliveries; none, if the claim failed. `at`: the monotonic clock."""
        buffer = self._buffers[reservation.queue]
        buffer.give_back(reservation)
        self.reserved -= reservation.room > 0
        self._see(each.token for each in deliveries)
        if self.is_shut or reservation.epoch != buffer.epoch:
            return self._settle_alike(deliveries, Interrupted())
        free = self._consumers.free(reservation.queue) or 0
        ready, released = self._chains.admit(deliveries, era=reservation.era, at=at)
        self._buffers.add(reservation, ready, free, at)
        return (*self._settle_alike(released, Interrupted()), *self.wake())

    def release(self, *queues: str) -> Actions[C]:
        """Release what is buffered for these queues, or for all, or still reserved."""
        released = self._buffers.release(queues)
        waited = self._chains.release(queues)
        for each in released:
            self._chains.end(each)
        return self._settle_alike([*released, *waited], Interrupted())

    @property
    def buffered_queues(self) -> tuple[str, ...]:
        """The queues of which deliveries wait for a free slot."""
        return tuple(queue for queue, _ in self._buffers.waiting)

    @property
    def _claims_nothing(self) -> bool:
        return self.is_shut or self.is_suspended

    def suspend(self) -> Actions[C]:
        """Claim nothing until `resume`, and release what was not begun. What runs goes on."""
        self.is_suspended = True
        return self.release()

    def resume(self) -> Actions[C]:
        """Claim again."""
        self.is_suspended = False
        return ()

    def drain(self) -> Actions[C]:
        """Hand out no more deliveries, and release the buffered ones."""
        self.is_shut = True
        return (*self.release(), *self._slots_changed())

    # --- leases -----------------------------------------------------------------------------

    @property
    def running(self) -> tuple[str, ...]:
        """The tokens of running attempts."""
        return tuple(self._consumers.running)

    @property
    def begun(self) -> tuple[str, ...]:
        """The tokens of running attempts whose handlers have begun, or are about to."""
        return tuple(self._consumers.begun)

    @property
    def ours(self) -> tuple[str, ...]:
        """The tokens of all leases here: buffered, chained, running or settling."""
        waiting = (*self._buffers, *self._chains)
        return (*(each.token for each in waiting), *self.running, *self._settling)

    def cancel(self, token: str, reason: str) -> Actions[C]:
        """The task of a delivery is cancelled. A later search finds those that are not here yet."""
        if dropped := (*self._buffers.drop({token}), *self._chains.drop({token})):
            cancelled = [never_begun(each, Cancelled(reason=reason)) for each in dropped]
            return (self._settle([*cancelled, *self._released_by(cancelled)]),)
        runner = self._consumers.runner_of(token)
        if runner is None:
            return ()
        self._unwanted[token] = reason
        return (CancelRunning(consumer=runner, token=token, reason=reason),)

    def lost(self, tokens: Collection[str]) -> Actions[C]:
        """These leases are lost. The settlements of running attempts will be refused."""
        lost = set(tokens)
        self._chains.drop(lost)
        had_slots = (*self._buffers.drop(lost), *self._consumers.deliveries(lost))
        waited = [behind for each in had_slots for behind in self._chains.end(each)]
        return self._settle_alike(waited, Interrupted())

    # --- searches ---------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Whether every expected consumer has registered."""
        return self._consumers.are_complete

    def begin_search(self) -> None:
        """The storage is about to be asked what is held. Wait until nothing is reserved."""
        self._seen = set(self.ours)

    def end_search(self, held: Sequence[Delivery], overdue: Sequence[Delivery]) -> Actions[C]:
        """The storage has answered: settle orphans, and cancel what runs unwanted.

        Args:
            held: held by this owner. A silent consumer may run any of these.
            overdue: held by an earlier incarnation of this node, or past its lease.
        """
        seen, self._seen = self._seen or set(), None
        if not self.is_complete:
            seen.update(each.token for each in held)
        found = {each.token: each for each in (*held, *overdue)}
        own = {each.token for each in held}
        orphans = [
            self._abandoned(each, lease_end=None if token in own else each.expires_at)
            for token, each in found.items()
            if token not in seen
        ]
        # The slots of an orphan may pass to what is chained here, which would not learn of it.
        waited = self._chains.release() if orphans else ()
        return (
            *(action for each in held for action in self._cancel_if_asked(each)),
            *((self._settle(orphans, "its holder is gone"),) if orphans else ()),
            *self._settle_alike(waited, Interrupted()),
        )

    def _see(self, tokens: Iterable[str]) -> None:
        if self._seen is not None:
            self._seen.update(tokens)

    def _cancel_if_asked(self, delivery: Delivery) -> Actions[C]:
        reason = delivery.task.cancel_reason
        return () if reason is None else self.cancel(delivery.token, reason)
