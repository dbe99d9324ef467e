"""Ready hints: which queues have tasks to claim, and when others will. No I/O.

A hint may be wrong: then a claim returns nothing. Hints are missing for tasks that others insert:
the fetcher polls the storage for these.
"""

import itertools
import math
from collections.abc import Sequence

from taskqueue.clock import Clock


class ReadyHints:
    """What can be claimed from the queues that are served."""

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
        """Note that a queue has tasks at that time; 0: now. Return whether that was unknown.

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
        """Forget all hints: the storage is about to be read."""
        self._ready.clear()
        self._due.clear()

    @property
    def ready(self) -> tuple[str, ...]:
        """The queues that have tasks now, least recently served first.

        So queues that share a limit take turns.
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
        """Drop the hints that a claim uses up; tasks that arrive during it set them again.

        Return whether tasks had come due: then the caller has to read when the next ones will.
        """
        self._ready.pop(queue, None)
        self._await_slots.discard(queue)
        came_due = self._due.get(queue, math.inf) <= self._clock.now()
        if came_due:
            del self._due[queue]
        return came_due

    def in_s(self) -> float:
        """Return the seconds until a queue that has no tasks now will have some."""
        now = self._clock.now()
        return min((due - now for due in self._due.values() if due > now), default=math.inf)
