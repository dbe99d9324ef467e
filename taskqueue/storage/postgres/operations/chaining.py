"""Chains parked rows behind those of a claim that have taken the slots of their limits.

What is chained is leased with the others, but has no slot yet: `chains` says how it gets one. The
gates are locked meanwhile, by the claim of the rows that have taken the slots.
"""

import math
from collections.abc import AsyncIterator, Sequence
from itertools import takewhile
from typing import TypeAlias

from taskqueue.rules import limits
from taskqueue.rules.tasks import Delivery
from taskqueue.storage.postgres.connections import Row
from taskqueue.storage.postgres.operations import chains
from taskqueue.storage.postgres.operations.gates import Candidate
from taskqueue.storage.postgres.operations.leases import seq_of
from taskqueue.storage.postgres.sql import chains as sql
from taskqueue.storage.postgres.sql import ready
from taskqueue.storage.postgres.transaction import Transaction

Place: TypeAlias = tuple[float | str, ...]

_BEHIND_ALL: Place = (math.inf,)
_SEQ = -2


async def chain(
    tx: Transaction,
    queue: str,
    claimed: Sequence[Delivery],
    *,
    most: int,
    at_once: int | None,
    is_full: bool,
    lease: tuple[str, str, str, float, float],
) -> AsyncIterator[Row]:
    """Lease up to `most` rows behind those that were claimed, and yield them in their order.

    Args:
        tx: the transaction of the claim.
        queue: its queue.
        claimed: what it has leased, in order.
        most: how many rows; if several limits have some, each has its share.
        at_once: how many of the claimed begin at once; None: all. No row overtakes the others.
        is_full: whether rows are left that could be claimed. No row overtakes these either.
        lease: the end of the tokens, the owner, the instant, and when the leases end.
    """
    texts = {each.task.limits: None for each in claimed if each.task.limits is not None}
    if not texts:
        return
    now, left = lease[3], most
    until = await _first_left(tx, queue, claimed, at_once, is_full=is_full, now=now)
    for others, text in zip(reversed(range(len(texts))), texts, strict=True):
        share = math.ceil(left / (others + 1))
        seqs = await _behind(tx, queue, text, until, most=share, now=now)
        by_seq = {row[_SEQ]: row for row in await tx.db.fetch(sql.CLAIM_PARKED, seqs, *lease)}
        chained = [seq for seq in seqs if seq in by_seq]
        left -= len(chained)
        await chains.add(tx.db, chained, limits.decoded(text))
        tx.gates.forget_heads()
        for seq in chained:
            yield by_seq[seq]


async def _first_left(
    tx: Transaction,
    queue: str,
    claimed: Sequence[Delivery],
    at_once: int | None,
    *,
    is_full: bool,
    now: float,
) -> Place:
    """Return the place of the first row that must not be overtaken."""
    if at_once is not None and len(claimed) > at_once:
        rows = await tx.db.fetch(sql.PLACES, [seq_of(claimed[at_once].token)])
    elif is_full:
        rows = await tx.db.fetch(ready.READY, queue, now, ready.FIRST_OF_ALL, 1)
    else:
        rows = []
    return min((Candidate(*row).place for row in rows), default=_BEHIND_ALL)


async def _behind(
    tx: Transaction, queue: str, text: str, until: Place, *, most: int, now: float
) -> list[int]:
    """Return the rows with these limits that are next in line at each of their gates."""
    uses = limits.decoded(text)
    if await tx.gates.have_rates(uses):
        return []
    parked = [
        Candidate(*row)
        for use in uses
        for row in await tx.db.fetch(sql.NEXT_IN_LINE, use.gate, queue, now, most)
    ]
    in_line = takewhile(
        lambda row: row.limits == text and row.place < until,
        sorted(parked, key=lambda row: row.place),
    )
    return [row.seq for row in in_line][:most]
