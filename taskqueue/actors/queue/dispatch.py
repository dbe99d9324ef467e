"""The dispatch buffer: which deliveries wait in it, and which consumer is busy with which.

Bookkeeping without I/O. The queue actor adds deliveries, and each consumer takes one when it has a
free slot: from its own thread, without a message, because a task may take less time than two
messages do. Each queue has one buffer, shared by all consumers that serve it, so no consumer hoards
tasks behind a long one.
"""

import itertools
import threading
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from taskqueue.clock import Clock
from taskqueue.rules.tasks import Delivery

C = TypeVar("C", bound=Hashable)

# However fast the consumers are, no more is claimed ahead of them than one short commit hands back.
MOST_AHEAD = 512
# What may wait lasts for so many claims; when half of it is gone the next is asked for.
LEAD = 4


class Taken(NamedTuple):
    """A delivery that a consumer is busy with."""

    delivery: Delivery
    at: float  # since when, on the wall clock


class Reservation(NamedTuple):
    """Room that is kept for deliveries of a queue while they are on their way."""

    queue: str
    room: int
    asked_at: float


class _Registration:
    """One consumer at the dispatch buffer."""

    def __init__(self, slots: int, queues: Collection[str], running: Iterable[Taken] = ()) -> None:
        self.slots = slots
        self.queues = frozenset(queues)
        self.running = {taken.delivery.token: taken for taken in running}
        self.waits = True  # it has found nothing to take, and has to be told when there is

    @property
    def free(self) -> int:
        return max(0, self.slots - len(self.running))


class _Buffer:
    """What is claimed of one queue and waits to be taken."""

    def __init__(self, prefetch: int, clock: Clock) -> None:
        self.deliveries: deque[Delivery] = deque()
        self._ahead = self._prefetch = prefetch  # how many may wait beyond the free slots
        self._monotonic = clock.monotonic
        self._kept = 0  # for those that are on their way
        # The latest batch: when it arrived and when it was used up; whether it had to wait for
        # slots, and how much of it was taken.
        self._came_at = self._gone_at = 0.0
        self._had_to_wait = False
        self._taken = 0

    def room(self, free: int) -> int:
        """Return how many to claim: none before half of what may wait is gone, then all."""
        waiting = len(self.deliveries) + self._kept
        if waiting > self._prefetch and waiting > self._ahead // 2:
            return 0
        return self.space(free)

    def space(self, free: int) -> int:
        """Return how many more may wait."""
        return max(0, free + self._ahead - len(self.deliveries) - self._kept)

    def keep(self, queue: str, room: int) -> Reservation:
        """Reserve room for a batch that is about to be claimed."""
        self._kept += room
        return Reservation(queue, room, self._monotonic())

    def add(self, reservation: Reservation, deliveries: Sequence[Delivery], free: int) -> None:
        """Add a claimed batch; buffer from now on what is taken while a few batches are claimed."""
        self._kept -= reservation.room
        if not deliveries:
            return
        now = self._monotonic()
        self._ahead = self._prefetch
        lasted_s = (now if self.deliveries else self._gone_at) - self._came_at
        if self._had_to_wait and lasted_s > 0:
            wanted = LEAD * self._taken / lasted_s * (now - reservation.asked_at)
            self._ahead = max(self._prefetch, min(round(wanted), MOST_AHEAD))
        self.deliveries.extend(deliveries)
        self._came_at, self._taken = now, 0
        self._had_to_wait = len(self.deliveries) > free

    def take(self) -> Delivery:
        """Give the first one out."""
        delivery = self.deliveries.popleft()
        self._taken += 1
        if not self.deliveries:
            self._gone_at = self._monotonic()
        return delivery


class DispatchBuffer(Generic[C]):
    """Who has what; safe to use from any thread. `C` is whatever names a consumer."""

    def __init__(
        self,
        queues: Sequence[str],
        prefetch: int,
        clock: Clock,
    ) -> None:
        """Make an empty dispatch buffer.

        Args:
            queues: those that are served.
            prefetch: how many deliveries of each may wait beyond the free slots, at least: where
                tasks are done faster than they are claimed it is more, up to `MOST_AHEAD`.
            clock: the time, by which that is measured.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._buffers = {queue: _Buffer(prefetch, clock) for queue in queues}
        self._waiting: dict[str, _Buffer] = {}  # those with deliveries: of thousands maybe a few
        # Whose turn it is at consumers that serve several: the least, which is the longest ago.
        self._turns = {queue: turn for turn, queue in enumerate(queues)}
        self._next_turn = itertools.count(len(queues))
        self._registrations: dict[C, _Registration] = {}
        self._is_shut = False

    @property
    def is_shut(self) -> bool:
        """Whether nothing can be taken any more."""
        return self._is_shut

    def shut(self) -> None:
        """Let nothing more be taken, and have room for nothing more."""
        with self._lock:
            self._is_shut = True

    # --- the consumers ----------------------------------------------------------------------

    def sit(
        self,
        consumer: C,
        slots: int,
        queues: Collection[str],
        running: Iterable[Taken] = (),
    ) -> None:
        """Seat a consumer of these queues with what it is busy with."""
        with self._lock:
            self._registrations[consumer] = _Registration(slots, queues, running)

    def knows(self, consumer: C) -> bool:
        """Tell whether the consumer has a registration."""
        with self._lock:
            return consumer in self._registrations

    def is_idle(self, consumer: C) -> bool:
        """Tell whether the consumer has a registration, and is busy with nothing."""
        with self._lock:
            return consumer in self._registrations and not self._registrations[consumer].running

    def serve(self, queue: str) -> int:
        """Return how many consumers serve a queue."""
        with self._lock:
            return sum(
                queue in registration.queues for registration in self._registrations.values()
            )

    def close(self, consumer: C) -> None:
        """Give a consumer nothing more; what it is busy with stays noted."""
        with self._lock:
            if consumer in self._registrations:
                self._registrations[consumer].slots = 0

    def leave(self, consumer: C) -> tuple[Taken, ...]:
        """Take a consumer's registration away; return what it was busy with."""
        with self._lock:
            registration = self._registrations.pop(consumer, None)
            return tuple(registration.running.values()) if registration is not None else ()

    def wake(self) -> tuple[C, ...]:
        """Return whom to tell that there is something to take: as many as it needs, idlest first.

        They are taken to be awake from then on, until they find nothing.
        """
        with self._lock:
            if self._is_shut:
                return ()
            woken: list[C] = []
            for queue, buffer in self._waiting.items():
                woken += self._wake(queue, len(buffer.deliveries))
            return tuple(woken)

    def _wake(self, queue: str, left: int) -> Iterable[C]:
        waiting = [
            (consumer, registration)
            for consumer, registration in self._registrations.items()
            if registration.waits and registration.slots and queue in registration.queues
        ]
        for consumer, registration in sorted(waiting, key=lambda each: -each[1].free):
            if left <= 0:
                return
            left -= max(registration.free, 1)  # its last outcome may still be on its way to us
            registration.waits = False
            yield consumer

    # --- the deliveries ---------------------------------------------------------------------

    def room(self, queue: str) -> int:
        """Return how many deliveries of a queue can be claimed: for the free slots, and ahead.

        None without a registration: a claim counts an attempt, so nothing is claimed for nobody.
        """
        with self._lock:
            return self._room(queue)

    def _room(self, queue: str) -> int:
        free = self._free(queue)
        return 0 if free is None or self._is_shut else self._buffers[queue].room(free)

    def _free(self, queue: str) -> int | None:
        """Return how many slots for a queue are free, None if there are no slots at all."""
        registered = [
            registration
            for registration in self._registrations.values()
            if registration.slots and queue in registration.queues
        ]
        return sum(registration.free for registration in registered) if registered else None

    def reserve(self, queue: str, most: int | None = None) -> Reservation:
        """Keep room for up to `most` deliveries; None: for a claim, which is to be a large one.

        It is kept until `add` is told what has come.
        """
        with self._lock:
            buffer, free = self._buffers[queue], self._free(queue)
            if free is None or self._is_shut:
                return buffer.keep(queue, 0)
            room = buffer.room(free) if most is None else min(most, buffer.space(free))
            return buffer.keep(queue, room)

    def add(self, reservation: Reservation, deliveries: Sequence[Delivery]) -> None:
        """Put what has come into its buffer, in order; nothing, if the claim has failed."""
        with self._lock:
            buffer = self._buffers[reservation.queue]
            buffer.add(reservation, deliveries, self._free(reservation.queue) or 0)
            if buffer.deliveries:
                self._waiting.setdefault(reservation.queue, buffer)

    def take(self, consumer: C) -> Taken | None:
        """Give a consumer something to be busy with, queue by queue; None if there is nothing."""
        with self._lock:
            registration = self._registrations.get(consumer)
            if registration is None or not registration.slots or self._is_shut:
                return None
            served = [queue for queue in self._waiting if queue in registration.queues]
            if not served:
                registration.waits = True
                return None
            queue = served[0] if len(served) == 1 else min(served, key=self._turns.__getitem__)
            taken = Taken(self._take_from(queue), self._clock.now())
            registration.running[taken.delivery.token] = taken
            return taken

    def _take_from(self, queue: str) -> Delivery:
        """Take the first delivery of a queue, whose next turn comes after that of the others."""
        buffer = self._waiting[queue]
        delivery = buffer.take()
        if not buffer.deliveries:
            del self._waiting[queue]
        self._turns[queue] = next(self._next_turn)
        return delivery

    def finish(self, consumer: C, tokens: Iterable[str]) -> None:
        """Note that a consumer is no longer busy with these."""
        with self._lock:
            registration = self._registrations.get(consumer)
            if registration is not None:
                for token in tokens:
                    registration.running.pop(token, None)

    def clear_buffer(self, *queues: str) -> tuple[Delivery, ...]:
        """Take everything out of the buffers of these queues, or of all."""
        with self._lock:
            chosen = [each for each in queues or tuple(self._waiting) if each in self._waiting]
            buffers = [self._waiting.pop(queue).deliveries for queue in chosen]
            buffered = tuple(delivery for buffer in buffers for delivery in buffer)
            for buffer in buffers:
                buffer.clear()
            return buffered

    def drop(self, tokens: Iterable[str]) -> tuple[Delivery, ...]:
        """Take deliveries out of the buffers; return those that were there."""
        gone = set(tokens)
        if not gone:
            return ()
        with self._lock:
            dropped: list[Delivery] = []
            for queue, buffer in tuple(self._waiting.items()):
                dropped += [each for each in buffer.deliveries if each.token in gone]
                buffer.deliveries = deque(d for d in buffer.deliveries if d.token not in gone)
                if not buffer.deliveries:
                    del self._waiting[queue]
            return tuple(dropped)

    def runner_of(self, token: str) -> C | None:
        """Return the consumer that is busy with `token`."""
        with self._lock:
            return next(
                (
                    c
                    for c, registration in self._registrations.items()
                    if token in registration.running
                ),
                None,
            )

    @property
    def running(self) -> tuple[str, ...]:
        """The tokens of everything that a consumer is busy with."""
        with self._lock:
            return self._running()

    def _running(self) -> tuple[str, ...]:
        return tuple(
            token for registration in self._registrations.values() for token in registration.running
        )

    @property
    def held(self) -> tuple[str, ...]:
        """The tokens of everything here: buffered and running."""
        with self._lock:
            buffers = [buffer.deliveries for buffer in self._waiting.values()]
            buffered = (delivery.token for buffer in buffers for delivery in buffer)
            return (*buffered, *self._running())
