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
        flows = [*dict.fromkeys((row.priority, row.flow) for row in due)]
        known = await self._db.fetch(turns.TURNS_OF, queue, *map(list, zip(*flows, strict=True)))
        last = {(priority, flow): turn for priority, flow, turn, _ in known}
        served = {priority: turn for priority, _, _, turn in known}
        given: list[float] = []
        for row in due:
            flow = row.priority, row.flow
            last[flow] = next_turn(last[flow], served[row.priority], row.weight)
            given.append(last[flow])
        await self._db.execute(turns.GIVE_TURNS, [row.seq for row in due], given)
        noted = [(priority, flow, turn) for (priority, flow), turn in last.items()]
        await self._db.execute(turns.NOTE_TURNS, queue, *map(list, zip(*noted, strict=True)))
        for priority, turn in served.items():
            await self._db.execute(turns.FORGET_TURNS, queue, priority, turn, 2 * len(noted))

    async def serve(self, seqs: Sequence[int]) -> None:
        """Note which turns are served by a claim of these rows."""
        await self._db.execute(turns.NOTE_SERVED, seqs)
