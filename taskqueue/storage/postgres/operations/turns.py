"""The turns of flows inside a transaction.

A row with a flow is parked until it is due. Then it gets a turn, by which it is claimed.
"""

from collections.abc import Sequence

from taskqueue.rules.turns import Waiting, next_turn
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import turns

MOST_GIVEN = 5_000
"""How many turns a claim gives; the next one goes on."""


class Turns:
    """The turns of all queues."""

    def __init__(self, db: SQL) -> None:
        self._db = db

    async def give(self, queue: str, *, now: float, most: int = MOST_GIVEN) -> None:
        """Give a turn to what has come due, the earliest first, up to `most`.

        While another transaction does so, nothing is done: the rows stay due, and the next claim
        of the queue meets them.
        """
        if not await self._db.fetchval(turns.TRY_TO_GIVE, queue):
            return
        found = await self._db.fetch(turns.AWAITING_TURN, queue, now, most)
        due = [*map(Waiting._make, found)]
        if not due:
            return
        lanes = [*dict.fromkeys((row.priority, row.lane) for row in due)]
        known = await self._db.fetch(turns.TURNS_OF, queue, *map(list, zip(*lanes, strict=True)))
        last = {(priority, lane): turn for priority, lane, turn, _ in known}
        served = {priority: turn for priority, _, _, turn in known}
        given: list[float] = []
        for row in due:
            lane = row.priority, row.lane
            last[lane] = next_turn(last[lane], served[row.priority], row.weight)
            given.append(last[lane])
        await self._db.execute(turns.GIVE_TURNS, [row.seq for row in due], given)
        noted = [(priority, lane, turn) for (priority, lane), turn in last.items()]
        await self._db.execute(turns.NOTE_TURNS, queue, *map(list, zip(*noted, strict=True)))
        for priority, turn in served.items():
            await self._db.execute(turns.FORGET_TURNS, queue, priority, turn, 2 * len(noted))

    async def expected(self, queue: str, row: Waiting) -> float:
        """Return the turn that a row would get now."""
        lane = ([row.priority], [row.lane])
        [(_, _, last, served)] = await self._db.fetch(turns.TURNS_OF, queue, *lane)
        return next_turn(last, served, row.weight)

    async def serve(self, seqs: Sequence[int]) -> None:
        """Note which turns are served by a claim of these rows."""
        await self._db.execute(turns.NOTE_SERVED, seqs)
