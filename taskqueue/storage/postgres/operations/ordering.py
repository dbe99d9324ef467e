"""The ready rows of a queue in the order of a claim, batch by batch, locked until the commit.

by priority   all that is due of the first priority, then of the next
with ageing   the priority in which a row has waited longest, until one of another has waited longer
"""

from collections.abc import Sequence
from typing import Protocol

from taskqueue.rules.ageing import next_turn
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.operations.gates import Candidate
from taskqueue.storage.postgres.sql import ready


class Ordered(Protocol):
    """What yields ready rows in their order."""

    async def next(self, most: int) -> Sequence[Candidate] | None:
        """Return the next rows, up to so many; None if there are no more."""
        ...


def ready_in_order(
    db: SQL, queue: str, *, ageing_s: float | None, again: bool, now: float
) -> Ordered:
    """Return the ready rows of a queue in order.

    Args:
        db: where they are.
        queue: which queue.
        ageing_s: after how many seconds a task counts as one of the next higher priority.
        again: whether rows may be parked or opened meanwhile, so that a priority has to be looked
            at again until nothing of it is left.
        now: the instant.
    """
    if ageing_s is None:
        return _ByPriority(db, queue, again=again, now=now)
    return _Ageing(db, queue, ageing_s, now=now)


class _ByPriority:
    def __init__(self, db: SQL, queue: str, *, again: bool, now: float) -> None:
        self._db = db
        self._queue = queue
        self._now = now
        self._again = again
        self._priority: int | None = ready.FIRST_OF_ALL

    async def next(self, most: int) -> Sequence[Candidate] | None:
        if self._priority is None:
            return None
        asked = (self._queue, self._now, self._priority)
        found = [Candidate(*row) for row in await self._db.fetch(ready.READY, *asked, most)]
        if not (found and self._again):
            self._priority = await self._db.fetchval(ready.FOLLOWING, *asked)
        return found


class _Ageing:
    def __init__(self, db: SQL, queue: str, ageing_s: float, *, now: float) -> None:
        self._db = db
        self._queue = queue
        self._now = now
        self._ageing_s = ageing_s
        self._locked_elsewhere: set[int] = set()  # priorities of which others claim what is due

    async def next(self, most: int) -> Sequence[Candidate] | None:
        first = (self._queue, self._now, ready.FIRST_OF_ALL)
        heads = await self._db.fetch(ready.HEADS, *first)
        open_heads = (head for head in heads if head[0] not in self._locked_elsewhere)
        if (turn := next_turn(open_heads, self._ageing_s)) is None:
            return None
        found = await self._db.fetch(ready.READY, self._queue, self._now, turn.priority, most)
        rows = [row for row in map(Candidate._make, found) if row.priority == turn.priority]
        if not rows:
            self._locked_elsewhere.add(turn.priority)
        return rows[: turn.count(rows)]
