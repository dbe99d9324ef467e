"""Ready hints: which queues have tasks to claim, and when others will.

Bookkeeping without I/O. A hint may be wrong: then a claim returns nothing. One may be missing, for
tasks that others insert: the storage is polled for these.
"""

import itertools
import math
from collections.abc import Sequence

from taskqueue.clock import Clock


class ReadyHints:
    """What can be claimed of the queues that are served."""

    def __init__(self, queues: Sequence[str], clock: Clock) -> None:
        """Expect nothing yet."""
        self._clock = clock
        self._served = frozenset(queues)
        # Of thousands of queues a few may have tasks. In the order in which they were expected.
        self._ready: dict[str, None] = {}
        self._due: dict[str, float] = {}
        self._limited: set[str] = set()
        self._await_slots: set[str] = set()
        self._next_turn = itertools.count()
        self._turns: dict[str, int] = {}  # of the latest claim of each queue that took something

    def expect(self, queue: str, at: float = 0.0) -> bool:
        """Note that there are tasks of a queue at that instant; 0: now. Return whether it is news.

        Queues that are not served here are ignored.
        """
        if queue not in self._served:
            return False
        if at <= 0.0:
            self._ready[queue] = None
            return True
        if at < self._due.get(queue, math.inf):
            self._due[queue] = at
            return True
        return False

    def note_limited(self, queue: str) -> None:
        """Note that tasks of a queue have limits."""
        self._limited.add(queue)

    def is_limited(self, queue: str) -> bool:
        """Return whether tasks of a queue have had limits."""
        return queue in self._limited

    def await_slot(self, queue: str) -> None:
        """Note that the next task of a queue has limits, so that it waits for a free slot."""
        self._ready[queue] = None
        self._await_slots.add(queue)

    def awaits_slot(self, queue: str) -> bool:
        """Return whether the next task of a queue waits for a free slot, not only for room."""
        return queue in self._await_slots

    def serves_others(self, queue: str) -> bool:
        """Return whether more queues than this one are served."""
        return bool(self._served - {queue})

    def forget(self) -> None:
        """Expect nothing: the storage is about to be asked."""
        self._ready.clear()
        self._due.clear()

    @property
    def ready(self) -> tuple[str, ...]:
        """The queues that have tasks now, first the one that was served longest ago.

        So queues that share a limit take turns with its slots.
        """
        now = self._clock.now()
        come_due = (queue for queue, due in self._due.items() if due <= now)
        ready = (*self._ready, *(queue for queue in come_due if queue not in self._ready))
        return ready if len(ready) < 2 else tuple(sorted(ready, key=self._turn_of))

    def served(self, queue: str) -> None:
        """Note that tasks of a queue were claimed."""
        self._turns[queue] = next(self._next_turn)

    def _turn_of(self, queue: str) -> int:
        return self._turns.get(queue, -1)

    def begin_claim(self, queue: str) -> bool:
        """Drop the hints that a claim uses up; tasks that come during it are expected again.

        Return whether tasks had come due: then the caller has to find out when the next ones will.
        """
        self._ready.pop(queue, None)
        self._await_slots.discard(queue)
        came_due = self._due.get(queue, math.inf) <= self._clock.now()
        if came_due:
            del self._due[queue]
        return came_due

    def in_s(self) -> float:
        """Return in how many seconds there are tasks of a queue that has none now."""
        now = self._clock.now()
        return min((due - now for due in self._due.values() if due > now), default=math.inf)
