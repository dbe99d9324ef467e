"""The desk: which deliveries wait in the buffers, and which consumer is busy with which.

Bookkeeping without I/O. Each queue has one buffer, shared by all consumers that serve it, so nobody
hoards behind a long task.
"""

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

from taskqueue.tasks import Delivery

C = TypeVar("C", bound=Hashable)


class _Seat:
    """One consumer at the desk."""

    def __init__(
        self, slots: int, queues: Collection[str], running: Iterable[Delivery] = ()
    ) -> None:
        self.slots = slots
        self.queues = frozenset(queues)
        self.running = {delivery.token: delivery for delivery in running}

    @property
    def free(self) -> int:
        return self.slots - len(self.running)


class Desk(Generic[C]):
    """Who has what. `C` is whatever names a consumer."""

    def __init__(self, queues: Sequence[str], prefetch: int) -> None:
        """Make an empty desk.

        Args:
            queues: those that are served.
            prefetch: how many deliveries of each may wait beyond the free slots.
        """
        self._prefetch = prefetch
        self._buffers: dict[str, deque[Delivery]] = {queue: deque() for queue in queues}
        self._turns = deque(queues)  # whose turn it is at consumers that serve several
        self._seats: dict[C, _Seat] = {}
        self.is_shut = False

    def shut(self) -> None:
        """Assign nothing more, and have room for nothing more."""
        self.is_shut = True

    # --- the consumers ----------------------------------------------------------------------

    def sit(
        self,
        consumer: C,
        slots: int,
        queues: Collection[str],
        running: Iterable[Delivery] = (),
    ) -> None:
        """Seat a consumer of these queues with what it is busy with."""
        self._seats[consumer] = _Seat(slots, queues, running)

    def knows(self, consumer: C) -> bool:
        """Tell whether the consumer has a seat."""
        return consumer in self._seats

    def is_idle(self, consumer: C) -> bool:
        """Tell whether the consumer has a seat, and is busy with nothing."""
        return consumer in self._seats and not self._seats[consumer].running

    def serve(self, queue: str) -> int:
        """Return how many consumers serve a queue."""
        return sum(queue in seat.queues for seat in self._seats.values())

    def close(self, consumer: C) -> None:
        """Give a consumer nothing more; what it is busy with stays noted."""
        if consumer in self._seats:
            self._seats[consumer].slots = 0

    def leave(self, consumer: C) -> tuple[Delivery, ...]:
        """Take a consumer's seat away; return what it was busy with."""
        seat = self._seats.pop(consumer, None)
        return tuple(seat.running.values()) if seat is not None else ()

    # --- the deliveries ---------------------------------------------------------------------

    def room(self, queue: str) -> int:
        """Return how many deliveries of a queue can be claimed: the free slots and the prefetch.

        None without a seat: a claim counts an attempt, so nothing is claimed for nobody.
        """
        seats = [seat for seat in self._seats.values() if seat.slots and queue in seat.queues]
        if not seats or self.is_shut:
            return 0
        free = sum(max(seat.free, 0) for seat in seats)
        return max(0, free + self._prefetch - len(self._buffers[queue]))

    def add(self, queue: str, deliveries: Iterable[Delivery]) -> None:
        """Put claimed deliveries of a queue into its buffer, in order."""
        self._buffers[queue].extend(deliveries)

    def assign(self) -> Iterator[tuple[C, Delivery]]:
        """Give buffered deliveries to free slots, the idlest consumer first, queue by queue."""
        while not self.is_shut and (found := self._next()):
            queue, consumer = found
            self._turns.remove(queue)
            self._turns.append(queue)
            delivery = self._buffers[queue].popleft()
            self._seats[consumer].running[delivery.token] = delivery
            yield consumer, delivery

    def _next(self) -> tuple[str, C] | None:
        for queue in self._turns:
            if self._buffers[queue]:
                free = {
                    c: s.free for c, s in self._seats.items() if s.free > 0 and queue in s.queues
                }
                if free:
                    return queue, max(free, key=free.__getitem__)
        return None

    def finish(self, consumer: C, token: str) -> None:
        """Free the slot that was busy with `token`."""
        seat = self._seats.get(consumer)
        if seat is not None:
            seat.running.pop(token, None)

    def clear_buffer(self, *queues: str) -> tuple[Delivery, ...]:
        """Take everything out of the buffers of these queues, or of all."""
        buffers = [self._buffers[queue] for queue in queues or self._buffers]
        buffered = tuple(delivery for buffer in buffers for delivery in buffer)
        for buffer in buffers:
            buffer.clear()
        return buffered

    def drop(self, tokens: Iterable[str]) -> tuple[Delivery, ...]:
        """Take deliveries out of the buffers; return those that were there."""
        gone = set(tokens)
        dropped: list[Delivery] = []
        for queue, buffer in self._buffers.items():
            dropped += [delivery for delivery in buffer if delivery.token in gone]
            self._buffers[queue] = deque(d for d in buffer if d.token not in gone)
        return tuple(dropped)

    def runner_of(self, token: str) -> C | None:
        """Return the consumer that is busy with `token`."""
        return next((c for c, seat in self._seats.items() if token in seat.running), None)

    @property
    def running(self) -> tuple[str, ...]:
        """The tokens of everything that has a slot."""
        return tuple(token for seat in self._seats.values() for token in seat.running)

    @property
    def held(self) -> tuple[str, ...]:
        """The tokens of everything here: buffered and running."""
        buffered = (delivery.token for buffer in self._buffers.values() for delivery in buffer)
        return (*buffered, *self.running)
