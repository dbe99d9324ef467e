"""The slots of limits that rows wait for which are leased already.

When a row that has slots is settled, the next one that waits with the same limits gets them, in
one commit: the first that the same node has leased. So each node has at least as many rows with
slots as it has handlers that run, in whatever order it settles them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from taskqueue.rules import limits
from taskqueue.rules.limits import LimitUse
from taskqueue.storage.postgres.connections import SQL
from taskqueue.storage.postgres.sql import chains as sql


class Holder(NamedTuple):
    """What rows have in common between which slots pass on."""

    limits: str
    queue: str
    node: str
    incarnation: str


async def add(db: SQL, seqs: Sequence[int], uses: Sequence[LimitUse]) -> None:
    """Have rows wait for slots of these limits."""
    lines = [(use.gate, use.name, use.cost) for use in uses]
    await db.execute(sql.AWAIT_SLOTS, [*seqs], *map(list, zip(*lines, strict=True)))


def is_waiting(gate: str) -> bool:
    """Return whether a line of `held_slots` with this gate stands for a row that waits."""
    return gate.startswith("/")


def gate_of(gate: str) -> str:
    """Return the gate that a line of `held_slots` is about."""
    return gate.removeprefix("/")


async def pass_on(db: SQL, freed: Iterable[Holder]) -> Sequence[str]:
    """Give the slots of rows that were settled to those that wait; return the gates of each.

    The gates are locked by this transaction.
    """
    slots = Counter(freed)
    if not slots:
        return ()
    wanted = [
        (limits.decoded(holder.limits)[0].gate, *holder, count) for holder, count in slots.items()
    ]
    found = await db.fetch(sql.GIVE_SLOTS, *map(list, zip(*wanted, strict=True)))
    return [gate for (gate,) in found]
