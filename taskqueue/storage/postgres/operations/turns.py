"""The turns of flows inside a transaction.

A row with a flow is parked until it is due. Then it gets a turn, by which it is claimed.
"""

from collections.abc import Sequence

from taskqueue.storage.postgres.connections import SQL

MOST_GIVEN = 5_000
"""How many turns a claim gives; the next one goes on."""


class Turns:
    """The turns of all queues."""

    def __init__(self, db: SQL) -> None:
        self._db = db

    async def give(self, queue: str, *, now: float, most: int = MOST_GIVEN) -> None:
        """Give a turn to what has come due, the earliest first, up to `most`.

        Rows that another transaction has locked are left to it.
        """
        raise NotImplementedError

    async def serve(self, seqs: Sequence[int]) -> None:
        """Note which turns are served by a claim of these rows."""
        raise NotImplementedError
