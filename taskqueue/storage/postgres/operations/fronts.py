"""Where claims go on while dead rows lie before what is ready.

A transaction that stays open keeps the server from removing versions of rows that were claimed. In
the index of ready rows they lie before all that waits, so each claim would read through them first:
the more, the longer that transaction lasts.

    claim is slow ─▶ next one counts what it reads ─▶ far more than it takes: note the first row
                                                                   │
       for a second, or twenty times as long as that claim took ◀──┘  claims begin there

A claim that gets less than it asked for there looks at everything. So no task is missed; one that
comes before that row may wait for as long as the note holds.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from taskqueue.storage.postgres.connections import SQL, Row

SLOW_S = 0.005
MOST_READ = 2_000
"""How many more entries of the index than rows that it gets a claim may read."""
HOLDS_S = 1.0
TIMES = 20

_READ = "SELECT pg_stat_get_xact_tuples_returned('taskqueue.ready'::regclass)"


class Place(NamedTuple):
    """What decides about the place of a row that is ready."""

    priority: int
    turn: float
    run_at: float


class Front(NamedTuple):
    """The first row that was ready, by its priority and `run_at`, until some instant."""

    priority: int
    run_at: float
    until: float


class Fronts:
    """The fronts of all queues, as this node knows them."""

    def __init__(self) -> None:
        self._fronts: dict[str, Front] = {}
        self._suspects: set[str] = set()

    def of(self, queue: str) -> Front | None:
        """Return the front of a queue, None if claims are to look at everything."""
        front = self._fronts.get(queue)
        return front if front is not None and _now() < front.until else None

    async def watched(
        self, db: SQL, queue: str, claiming: Awaitable[list[Row]], first: Callable[[Row], Place]
    ) -> list[Row]:
        """Return what a claim that looks at everything gets, and note what it has cost.

        Args:
            db: where it claims.
            queue: what it claims from.
            claiming: the claim.
            first: returns the place of a row; of rows without turns, the least is the first one.
        """
        counts = queue in self._suspects
        before, began = await _entries_read(db) if counts else 0, _now()
        found = await claiming
        took_s = _now() - began
        self._fronts.pop(queue, None)
        places = [place for place in map(first, found) if place.turn == 0]
        if counts and places and await _entries_read(db) - before - len(found) > MOST_READ:
            place = min(places)
            until = _now() + max(HOLDS_S, TIMES * took_s)
            self._fronts[queue] = Front(place.priority, place.run_at, until)
        if took_s > SLOW_S:
            self._suspects.add(queue)
        else:
            self._suspects.discard(queue)
        return found


async def _entries_read(db: SQL) -> int:
    return int(await db.fetchval(_READ))


def _now() -> float:
    return asyncio.get_running_loop().time()
