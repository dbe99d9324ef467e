"""The fetch schedule: what the fetcher does next, and when."""

import asyncio
import math
from collections.abc import Sequence

from taskqueue.actors.queue.hints import ReadyHints
from taskqueue.actors.queue.pace import Pace
from taskqueue.clock import Clock

MOST_TRIED = 4
"""With up to so many queues, claim from each of them rather than poll first."""


class FetchSchedule:
    """Wakes the fetcher when there is something to do."""

    def __init__(self, queues: Sequence[str], clock: Clock) -> None:
        """Expect nothing but a first poll."""
        self.hints = ReadyHints(queues, clock)
        self.search_is_due = False
        """Whether there may be orphans."""
        self.pace = Pace()
        self.changed = asyncio.Event()
        self._queues = tuple(queues)
        self._clock = clock
        self._poll_at = -math.inf

    def expect_work(self, queue: str, at: float = 0.0) -> None:
        """Note that a queue has tasks to claim at that time; 0: now."""
        if self.hints.expect(queue, at):
            self.look_again()

    def expect_due(self, queue: str, due: float) -> None:
        """Note that tasks of a queue come due, or came due, at that time."""
        self.expect_work(queue, 0.0 if due <= self._clock.now() else due)

    def expect_any(self) -> None:
        """There may be tasks of any queue to claim now; so many queues are polled instead."""
        if len(self._queues) <= MOST_TRIED:
            for queue in self._queues:
                self.expect_work(queue)

    def slot_freed(self, queue: str) -> None:
        """Note that a limited task is settled: another may run, in this queue or in others."""
        self.hints.note_limited(queue)
        self.expect_work(queue)
        if self.hints.serves_others(queue):
            self.poll_soon()

    def room_freed(self) -> None:
        """Note that there is more room for waiting tasks."""
        if self.hints.ready:
            self.changed.set()

    def poll_soon(self) -> None:
        """Note that any queue may have tasks to claim now."""
        self._poll_at = -math.inf
        self.look_again()

    def look_again(self) -> None:
        """Something has happened: see what can be done, and poll at the quick pace again."""
        self._be_quick()
        self.changed.set()

    def served(self, queue: str) -> None:
        """Tasks of a queue were claimed: they run here."""
        self.hints.served(queue)
        if self._be_quick():
            self.changed.set()

    def polled(self, *, may_rest: bool) -> None:
        """A poll is done. `may_rest`: nothing runs here, and the storage tells when to look."""
        is_asked_for = self._poll_at <= self._clock.monotonic()
        if may_rest and not (is_asked_for or self.hints.ready):
            self.pace.slow_down()
            self._poll_at = self._next_poll()

    def forget(self) -> None:
        """Expect nothing but a poll: the storage is about to be asked."""
        self.hints.forget()
        self._poll_at = -math.inf

    def search_soon(self) -> None:
        """Note that there may be orphans."""
        self.search_is_due = True
        self.changed.set()

    def poll_is_due(self) -> bool:
        """Tell whether to poll now; the next poll is due after that."""
        now = self._clock.monotonic()
        if now < self._poll_at:
            return False
        self._poll_at = self._next_poll()
        return True

    def _be_quick(self) -> bool:
        was_slower = self.pace.quicken()
        if was_slower:
            self._poll_at = min(self._poll_at, self._next_poll())
        return was_slower

    def _next_poll(self) -> float:
        return self._clock.next_beat(self.pace.period_s)

    async def wait(self, until: float) -> None:
        """Wait for a change, for tasks to come due or for the next poll, `until` at the latest."""
        left_s = min(until, self._poll_at) - self._clock.monotonic()
        await self._clock.wait(self.changed, min(left_s, self.hints.in_s()))
