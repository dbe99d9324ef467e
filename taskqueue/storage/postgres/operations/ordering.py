"""The ready rows of a queue in the order of a claim, batch by batch, locked until the commit.

by priority   all that is due of the first priority, then of the next
with ageing   the priority in which a row has waited longest, until one of another has waited longer
"""

import math
from collections.abc import Sequence
from typing import Protocol

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
        heads = sorted(
            (self._since(priority, run_at), priority)
            for priority, run_at in await self._db.fetch(ready.HEADS, *first)
            if run_at is not None and priority not in self._locked_elsewhere
        )
        if not heads:
            return None
        (_, priority), until = heads[0], (*heads, (math.inf, 0))[1]
        found = await self._db.fetch(ready.READY, self._queue, self._now, priority, most)
        rows = [row for row in map(Candidate._make, found) if row.priority == priority]
        if not rows:
            self._locked_elsewhere.add(priority)
        return rows[: self._count_until(until, priority, rows)]

    def _count_until(
        self, until: tuple[float, int], priority: int, rows: Sequence[Candidate]
    ) -> int:
        """Return how many rows come before it is the turn of another priority."""
        late = (
            place
            for place, run_at in enumerate(_oldest_from(rows))
            if place and (self._since(priority, run_at), priority) > until
        )
        return next(late, len(rows))

    def _since(self, priority: int, run_at: float) -> float:
        return run_at + self._ageing_s * priority


def _oldest_from(candidates: Sequence[Candidate]) -> Sequence[float]:
    """Return for each row since when its priority has waited once those before it are claimed.

    Rows beyond these may have waited longer still; then the next batch goes on with this priority.
    """
    waited = in_turn = math.inf
    found = []
    for row in reversed(candidates):
        if row.turn > 0:
            in_turn = row.run_at
        else:
            waited = min(waited, row.run_at)
        found.append(min(waited, in_turn))
    return found[::-1]
