"""The ready rows of a queue in the order of a claim, batch by batch.

by priority   all that is due of the first priority, then of the next
with ageing   the priority in which a row has waited longest, until one of another has waited longer
"""

import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from taskqueue.rules.ageing import next_turn
from taskqueue.storage.sqlite.operations.candidates import candidates, decode_seqs
from taskqueue.storage.sqlite.sql import ready, rows


class Batch(NamedTuple):
    """Ready rows, and what makes the tokens of their claim unlike all others."""

    seqs: Sequence[int]
    text: str  # the same as JSON
    nonce: str


class Ordered(Protocol):
    """What yields ready rows in their order."""

    def next(self, most: int) -> Batch | None:
        """Return the next rows, up to so many; None if there are no more."""
        ...


def ready_in_order(
    db: sqlite3.Connection, queue: str, *, ageing_s: float | None, again: bool, now: float
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
    def __init__(self, db: sqlite3.Connection, queue: str, *, again: bool, now: float) -> None:
        self._db = db
        self._wanted: dict[str, Any] = {"queue": queue, "now": now}
        self._again = again
        self._priority: int | None = ready.FIRST_OF_ALL

    def next(self, most: int) -> Batch | None:
        if self._priority is None:
            return None
        wanted = {**self._wanted, "from_priority": self._priority, "limit": most}
        text, following, nonce = self._db.execute(ready.READY, wanted).fetchone()
        batch = Batch(decode_seqs(text), text, nonce)
        if not (batch.seqs and self._again):
            self._priority = following
        return batch


class _Ageing:
    def __init__(self, db: sqlite3.Connection, queue: str, ageing_s: float, *, now: float) -> None:
        self._db = db
        self._wanted: dict[str, Any] = {"queue": queue, "now": now}
        self._ageing_s = ageing_s

    def next(self, most: int) -> Batch | None:
        first = {**self._wanted, "from_priority": ready.FIRST_OF_ALL, "limit": 1}
        heads = self._db.execute(ready.HEADS, first).fetchall()
        if (turn := next_turn(heads, self._ageing_s)) is None:
            return None
        wanted = {**self._wanted, "from_priority": turn.priority, "limit": most}
        text, _, nonce = self._db.execute(ready.READY, wanted).fetchone()
        seqs = decode_seqs(text)
        seqs = seqs[: turn.count(candidates(self._db, seqs))]
        return Batch(seqs, rows.json_array(seqs), nonce)
