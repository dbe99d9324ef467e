"""The desk: which deliveries wait in the buffer, and which consumer is busy with which.

Bookkeeping without I/O. The buffer is shared by all consumers, so nobody hoards behind a long task.
"""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from taskqueue.tasks import Delivery

C = TypeVar("C", bound=Hashable)


class _Seat:
    """One consumer at the desk."""

    def __init__(self, slots: int, running: Iterable[Delivery]) -> None:
        self.slots = slots
        self.running = {delivery.token: delivery for delivery in running}

    @property
    def free(self) -> int:
        return self.slots - len(self.running)


class Desk(Generic[C]):
    """Who has what. `C` is whatever names a consumer."""

    def __init__(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._buffer: deque[Delivery] = deque()
        self._seats: dict[C, _Seat] = {}
        self.is_shut = False

    def shut(self) -> None:
        """Assign nothing more, and have room for nothing more."""
        self.is_shut = True

    def sit(self, consumer: C, slots: int, running: Iterable[Delivery] = ()) -> None:
        """Seat a consumer with what it is busy with."""
        self._seats[consumer] = _Seat(slots, running)

    def knows(self, consumer: C) -> bool:
        """Tell whether the consumer has a seat."""
        return consumer in self._seats

    def close(self, consumer: C) -> None:
        """Give a consumer nothing more; what it is busy with stays noted."""
        if consumer in self._seats:
            self._seats[consumer].slots = 0

    def leave(self, consumer: C) -> tuple[Delivery, ...]:
        """Take a consumer's seat away; return what it was busy with."""
        seat = self._seats.pop(consumer, None)
        return tuple(seat.running.values()) if seat is not None else ()

    def room(self) -> int:
        """Return how many deliveries can be claimed: the free slots and the prefetch.

        None without a seat: a claim counts an attempt, so nothing is claimed for nobody.
        """
        slots = sum(seat.slots for seat in self._seats.values())
        if slots == 0 or self.is_shut:
            return 0
        free = sum(max(seat.free, 0) for seat in self._seats.values())
        return max(0, free + self._prefetch - len(self._buffer))

    def add(self, deliveries: Iterable[Delivery]) -> None:
        """Put claimed deliveries into the buffer, in order."""
        self._buffer.extend(deliveries)

    def assign(self) -> Iterator[tuple[C, Delivery]]:
        """Give buffered deliveries to free slots, the idlest consumer first."""
        while self._buffer and self._seats and not self.is_shut:
            consumer, seat = max(self._seats.items(), key=lambda item: item[1].free)
            if seat.free <= 0:
                return
            delivery = self._buffer.popleft()
            seat.running[delivery.token] = delivery
            yield consumer, delivery

    def finish(self, consumer: C, token: str) -> None:
        """Free the slot that was busy with `token`."""
        seat = self._seats.get(consumer)
        if seat is not None:
            seat.running.pop(token, None)

    def clear_buffer(self) -> tuple[Delivery, ...]:
        """Take everything out of the buffer."""
        buffered = tuple(self._buffer)
        self._buffer.clear()
        return buffered

    def drop(self, tokens: Iterable[str]) -> None:
        """Take deliveries out of the buffer that are not ours any more."""
        gone = set(tokens)
        self._buffer = deque(d for d in self._buffer if d.token not in gone)

    @property
    def running(self) -> tuple[str, ...]:
        """The tokens of everything that has a slot."""
        return tuple(token for seat in self._seats.values() for token in seat.running)

    @property
    def held(self) -> tuple[str, ...]:
        """The tokens of everything here: buffered and running."""
        return (*(delivery.token for delivery in self._buffer), *self.running)
