"""The turns of flows inside a transaction.

A row with a flow is parked until it is due. Then it gets a turn, which orders the claims.
"""

import sqlite3
from collections.abc import Sequence

from taskqueue.rules.turns import NO_TURN, Waiting, next_turn
from taskqueue.storage.sqlite.sql import rows, turns

MOST_GIVEN = 5_000
"""How many turns a claim gives at most; the next claim continues."""


class Turns:
    """The turns of all queues."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def give(self, queue: str, *, now: float, most: int = MOST_GIVEN) -> None:
        """Give a turn to rows that have come due, the earliest first, up to `most`."""
        due = self._db.execute(turns.AWAITING_TURN, (queue, now, most)).fetchall()
        last: dict[tuple[int, str], float] = {}
        served: dict[int, float] = {}
        for row in map(Waiting._make, due):
            lane = row.priority, row.lane
            if lane not in last:
                last[lane], served[row.priority] = self._turns(queue, row)
            last[lane] = next_turn(last[lane], served[row.priority], row.weight)
            self._db.execute(turns.GIVE_TURN, (last[lane], row.seq))
        for (priority, lane_name), turn in last.items():
            self._db.execute(turns.NOTE_TURN, (queue, priority, lane_name, turn))
        for priority, turn in served.items():
            of_priority = {"queue": queue, "priority": priority, "served": turn}
            self._db.execute(turns.FORGET_TURNS, of_priority)

    def serve(self, seqs: Sequence[int]) -> None:
        """Record the turns that a claim serves."""
        self._db.execute(turns.NOTE_SERVED, (rows.json_array(seqs),))

    def expected(self, queue: str, row: Waiting) -> float:
        """Return the turn that a row would get now."""
        return next_turn(*self._turns(queue, row), row.weight)

    def _turns(self, queue: str, row: Waiting) -> tuple[float, float]:
        """Return the latest turn of a row's lane, and the turn that was served last."""
        asked = {"queue": queue, "priority": row.priority, "flow": row.lane}
        last, served = self._db.execute(turns.TURNS_OF, asked).fetchone()
        return NO_TURN if last is None else last, served or 0.0
