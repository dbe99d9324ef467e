"""Chains parked rows behind those of a claim that have taken the slots of their limits.

What is chained is leased with the others, but has no slot yet: `commit.chains` says how it gets
one.
"""

import math
import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, TypeAlias

from taskqueue.rules import limits
from taskqueue.rules.tasks import Delivery
from taskqueue.storage.sqlite.commit import chains
from taskqueue.storage.sqlite.commit.gates import Candidate
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.operations.candidates import candidates, decode_seqs
from taskqueue.storage.sqlite.operations.leases import seq_of
from taskqueue.storage.sqlite.sql import parking, ready, rows, statements

Place: TypeAlias = tuple[float | str, ...]

_BEHIND_ALL: Place = (math.inf,)


def chain(
    tx: Transaction,
    queue: str,
    claimed: Sequence[Delivery],
    *,
    most: int,
    at_once: int | None,
    is_full: bool,
    lease: Mapping[str, Any],
) -> tuple[Sequence[int], str]:
    """Lease up to `most` rows behind those that were claimed.

    Args:
        tx: the transaction of the claim.
        queue: its queue.
        claimed: what it has leased, in order.
        most: how many rows; if several limits have some, each has its share.
        at_once: how many of the claimed begin at once; None: all. No row overtakes the others.
        is_full: whether rows are left that could be claimed. No row overtakes these either.
        lease: the lease, as parameters.

    Returns their numbers, those of the same limits in the order of a claim, and the end of their
    tokens.
    """
    texts = {each.task.limits: None for each in claimed if each.task.limits is not None}
    nonce, chained = os.urandom(16).hex(), list[int]()
    if not texts:
        return chained, nonce
    until = _first_left(tx, queue, claimed, at_once, is_full=is_full, now=lease["now"])
    for others, text in zip(reversed(range(len(texts))), texts, strict=True):
        share = math.ceil((most - len(chained)) / (others + 1))
        seqs = _behind(tx, queue, text, until, most=share, now=lease["now"])
        chains.add(tx.db, seqs, limits.decoded(text))
        chained += seqs
    claiming = {**lease, "seqs": rows.json_array(chained), "nonce": nonce}
    tx.db.execute(statements.CLAIM_PARKED, claiming)
    return chained, nonce


def _first_left(
    tx: Transaction,
    queue: str,
    claimed: Sequence[Delivery],
    at_once: int | None,
    *,
    is_full: bool,
    now: float,
) -> Place:
    """Return the place of the first row that must not be overtaken."""
    seqs: Sequence[int] = ()
    if at_once is not None and len(claimed) > at_once:
        seqs = (seq_of(claimed[at_once].token),)
    elif is_full:
        first = {"queue": queue, "now": now, "from_priority": ready.FIRST_OF_ALL, "limit": 1}
        text, _, _ = tx.db.execute(ready.READY, first).fetchone()
        seqs = decode_seqs(text)
    return min(map(_place, candidates(tx.db, seqs)), default=_BEHIND_ALL)


def _behind(
    tx: Transaction, queue: str, text: str, until: Place, *, most: int, now: float
) -> Sequence[int]:
    """Return the rows with these limits that are next in line at each of their gates."""
    uses = limits.decoded(text)
    if any(tx.gates.values(use.name).starts is not None for use in uses):
        return ()
    parked = [
        Candidate(*row)
        for use in uses
        for row in tx.db.execute(
            parking.NEXT_IN_LINE, {"gate": use.gate, "queue": queue, "limit": most, "now": now}
        ).fetchall()
    ]
    in_line = takewhile(
        lambda row: row.limits == text and _place(row) < until, sorted(parked, key=_place)
    )
    return [row.seq for row in in_line][:most]


def _place(row: Candidate) -> Place:
    return row.priority, row.turn, row.run_at, row.id
