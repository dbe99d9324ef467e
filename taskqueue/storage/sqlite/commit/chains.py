"""The slots of limits that rows wait for which are leased already.

Such a row has a line in `held_slots` for each of its gates, with a slash before the gate and the
name of the limit, as no gate has one there: so it counts for nothing yet. The settlement of a row
that has slots takes the slash from the next one's lines: the slots pass on, in one commit.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from taskqueue.rules.limits import LimitUse
from taskqueue.storage.sqlite.sql import parking, rows


def add(db: sqlite3.Connection, seqs: Sequence[int], uses: Iterable[LimitUse]) -> None:
    """Have rows wait for slots of these limits."""
    named = rows.json_array(seqs)
    for use in uses:
        db.execute(parking.AWAIT_SLOT, (named, use.gate, use.name, use.cost))


def is_waiting(gate: str) -> bool:
    """Return whether a line of `held_slots` with this gate stands for a row that waits."""
    return gate.startswith("/")


def pass_on(db: sqlite3.Connection, freed: Iterable[int]) -> None:
    """Give the slots of rows that were settled to those that wait with the same limits."""
    [are_there] = db.execute(parking.HAS_CHAINED).fetchone()
    if not are_there:
        return
    for text, queue, count in db.execute(parking.FREED, (rows.json_array(freed),)).fetchall():
        wanted = {"limits": text, "queue": queue, "limit": count}
        following = [seq for [seq] in db.execute(parking.NEXT_CHAINED, wanted).fetchall()]
        db.execute(parking.GIVE_SLOTS, (rows.json_array(following),))
