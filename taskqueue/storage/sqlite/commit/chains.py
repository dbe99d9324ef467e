"""The slots that chained rows wait for: rows that are leased but have no slots yet.

A chained row has a line in `held_slots` for each of its gates. A slash before the gate and the name
of the limit, which no gate or name begins with, keeps the line from being counted. The settlement
of a row with slots removes the slash from the lines of the next row, which passes its slots on.
"""

import sqlite3
from collections.abc import Iterable, Sequence

from taskqueue.rules.limits import LimitUse
from taskqueue.storage.sqlite.sql import parking, rows


def add(db: sqlite3.Connection, seqs: Sequence[int], uses: Iterable[LimitUse]) -> None:
    """Add rows that wait for slots of these limits."""
    named = rows.json_array(seqs)
    for use in uses:
        db.execute(parking.AWAIT_SLOT, (named, use.gate, use.name, use.cost))


def is_waiting(gate: str) -> bool:
    """Return whether a line of `held_slots` with this gate belongs to a waiting row."""
    return gate.startswith("/")


def pass_on(db: sqlite3.Connection, freed: Iterable[int]) -> None:
    """Give the slots of settled rows to waiting rows with the same limits."""
    [are_there] = db.execute(parking.HAS_CHAINED).fetchone()
    if not are_there:
        return
    for text, queue, count in db.execute(parking.FREED, (rows.json_array(freed),)).fetchall():
        wanted = {"limits": text, "queue": queue, "limit": count}
        following = [seq for [seq] in db.execute(parking.NEXT_CHAINED, wanted).fetchall()]
        db.execute(parking.GIVE_SLOTS, (rows.json_array(following),))
