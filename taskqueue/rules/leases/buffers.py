"""The buffers: claimed deliveries, by queue, until a consumer takes them.

Each queue has one buffer for all its consumers, so no consumer prefetches tasks behind a long one.
"""

import itertools
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from taskqueue.rules.leases.values import Reservation
from taskqueue.rules.tasks import Delivery

# Cap prefetch at what one short commit can release.
MOST_AHEAD = 512
# The prefetch covers this many claims; the next claim is due when half of it is used up.
LEAD = 4


class QueueBuffer:
    """The buffer of one queue, which adapts its prefetch to the pace of the consumers."""

    def __init__(self, prefetch: int, most_ahead: int = MOST_AHEAD) -> None:
        self._most_ahead = most_ahead
        self.deliveries: deque[Delivery] = deque()
        self.epoch = 0
        self._ahead = self._prefetch = prefetch  # how many may wait beyond the free slots
        self._reserved = 0
        # The latest batch: when it arrived and when it was used up; whether it had to wait for
        # slots, and how much of it was taken.
        self._came_at = self._gone_at = 0.0
        self._had_to_wait = False
        self._taken = 0

    def room(self, free: int) -> int:
        """Return how many to claim: none before half of the prefetch is used up, then all."""
        waiting = len(self.deliveries) + self._reserved
        if waiting > self._prefetch and waiting > self._ahead // 2:
            return 0
        return self.space(free)

    def space(self, free: int) -> int:
        """Return how many more may wait."""
        return max(0, free + self._ahead - len(self.deliveries) - self._reserved)

    def slots(self, free: int) -> int:
        """Return how many free slots there are for more deliveries than wait."""
        return max(0, free - len(self.deliveries) - self._reserved)

    def reserve(self, queue: str, room: int, at: float, free: int = 0) -> Reservation:
        """Keep room for a batch that is about to be claimed, beside so many free slots."""
        slots = min(room, self.slots(free))
        self._reserved += room
        return Reservation(queue, room, at, self.epoch, slots)

    @property
    def takes_turns(self) -> bool:
        """Whether none of its deliveries may be claimed ahead."""
        return not self._most_ahead

    def give_back(self, reservation: Reservation) -> None:
        """End a reservation."""
        self._reserved -= reservation.room

    def add(
        self, reservation: Reservation, deliveries: Sequence[Delivery], free: int, at: float
    ) -> None:
        """Add a claimed batch, and prefetch what is taken while a few batches are claimed."""
        self._ahead = self._prefetch
        lasted_s = (at if self.deliveries else self._gone_at) - self._came_at
        if self._had_to_wait and lasted_s > 0:
            wanted = LEAD * self._taken / lasted_s * (at - reservation.reserved_at)
            self._ahead = max(self._prefetch, min(round(wanted), self._most_ahead))
        self.deliveries.extend(deliveries)
        self._came_at, self._taken = at, 0
        self._had_to_wait = len(self.deliveries) > free

    def take(self, at: float) -> Delivery:
        """Take the first delivery out."""
        delivery = self.deliveries.popleft()
        self._taken += 1
        if not self.deliveries:
            self._gone_at = at
        return delivery


class Buffers:
    """The buffers of all queues that are served; consumers of several take from them in turns."""

    def __init__(self, queues: Sequence[str], prefetch: int, fair: Collection[str]) -> None:
        self._buffers = {
            queue: QueueBuffer(0, 0) if queue in fair else QueueBuffer(prefetch) for queue in queues
        }
        self._waiting: dict[str, QueueBuffer] = {}  # not empty: a few, of thousands maybe
        # The queue that was served longest ago has the least turn, and is next.
        self._turns = {queue: turn for turn, queue in enumerate(queues)}
        self._next_turn = itertools.count(len(queues))

    def __getitem__(self, queue: str) -> QueueBuffer:
        return self._buffers[queue]

    def __iter__(self) -> Iterator[Delivery]:
        return itertools.chain.from_iterable(each.deliveries for each in self._waiting.values())

    @property
    def waiting(self) -> Iterable[tuple[str, int]]:
        """The queues with deliveries to take, each with how many."""
        return [(queue, len(buffer.deliveries)) for queue, buffer in self._waiting.items()]

    def add(
        self, reservation: Reservation, deliveries: Sequence[Delivery], free: int, at: float
    ) -> None:
        """Add what was claimed into a reservation, in order."""
        if deliveries:
            buffer = self._buffers[reservation.queue]
            buffer.add(reservation, deliveries, free, at)
            self._waiting.setdefault(reservation.queue, buffer)

    def take(self, queues: Collection[str], at: float) -> Delivery | None:
        """Take the first delivery of the queue whose turn it is; None if all are empty."""
        served = [queue for queue in self._waiting if queue in queues]
        if not served:
            return None
        queue = served[0] if len(served) == 1 else min(served, key=self._turns.__getitem__)
        buffer = self._waiting[queue]
        delivery = buffer.take(at)
        if not buffer.deliveries:
            del self._waiting[queue]
        self._turns[queue] = next(self._next_turn)
        return delivery

    def release(self, queues: Iterable[str]) -> tuple[Delivery, ...]:
        """Empty the buffers of these queues, or of all; return what they held."""
        chosen = [self._buffers[each] for each in queues or self._buffers if each in self._buffers]
        released = tuple(each for buffer in chosen for each in buffer.deliveries)
        for buffer in chosen:
            buffer.deliveries.clear()
            buffer.epoch += 1
        self._forget_empty()
        return released

    def drop(self, tokens: Collection[str]) -> tuple[Delivery, ...]:
        """Take deliveries out wherever they wait; return those that were there."""
        dropped = tuple(each for each in self if each.token in tokens)
        for buffer in self._waiting.values() if dropped else ():
            buffer.deliveries = deque(d for d in buffer.deliveries if d.token not in tokens)
        self._forget_empty()
        return dropped

    def _forget_empty(self) -> None:
        self._waiting = {name: each for name, each in self._waiting.items() if each.deliveries}
