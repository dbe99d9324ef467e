"""The slots of limits that rows wait for which are leased already.

Such a row has a line in `held_slots` for each of its gates. A slash before the gate and before the
name of the limit, where no gate and no name has one, keeps it from being counted. When a row that
has slots is settled, the slash is taken from the lines of the next one: so the slots pass on, in
one commit.
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
