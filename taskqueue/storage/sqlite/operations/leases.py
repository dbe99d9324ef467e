"""Finds the rows that tokens name, and says which tokens hold."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec

from taskqueue.rules.tasks import Status
from taskqueue.storage.sqlite.sql import rows, statements

_NO_SEQ = 0
_LAST_SEQ = 2**63 - 1


class Lease(NamedTuple):
    """What a settling verb must know about the row that a token names, as `LEASES` selects it."""

    seq: int
    token: str | None
    status: str
    waited_as: str  # its status before it was started
    settled_token: str | None
    settled_as: str | None
    cancelling: Literal[0, 1]  # 1: its cancellation was asked for
    group: str | None
    claimed_at: float | None

    @property
    def started(self) -> bool:
        """Whether the delivery has left the buffer."""
        return self.status == Status.RUNNING


_decode_leases = msgspec.json.Decoder(list[Lease]).decode


class Leases:
    """The rows that some tokens name, read in one statement."""

    def __init__(self, db: sqlite3.Connection, tokens: Iterable[str]) -> None:
        [json] = db.execute(statements.LEASES, (rows.json_array(map(seq_of, tokens)),)).fetchone()
        found = _decode_leases(json)
        self._held = {lease.token: lease for lease in found}
        self._settled = {lease.settled_token: lease.settled_as for lease in found}

    def holding(self, token: str) -> Lease | None:
        """Return the row if the token holds."""
        return self._held.get(token)

    def settle(self, lease: Lease, settled_as: str) -> None:
        """Note that this transaction settles the row, for the tokens that follow."""
        del self._held[lease.token]
        self._settled.pop(lease.settled_token, None)  # only the latest is remembered
        self._settled[lease.token] = settled_as

    def settled(self, token: str, settled_as: str) -> bool:
        """Return whether this was the latest settlement of the row."""
        return self._settled.get(token) == settled_as


def seq_of(token: str) -> int:
    """Return the number of the row that a token names, or one that no row has."""
    # A token of ours begins with the row's number in hex; any other text names no row.
    number, _, _ = token.partition("-")
    try:
        seq = int(number, 16)
    except ValueError:
        return _NO_SEQ
    return seq if seq <= _LAST_SEQ else _NO_SEQ


def is_extended(db: sqlite3.Connection, lease: Lease, lease_end: float) -> bool:
    """Return whether a lease ends later than it did."""
    [ends_at] = db.execute(statements.LEASE_END, (lease.seq,)).fetchone()
    return bool(ends_at > lease_end)


class Standing(NamedTuple):
    """How many tasks stand where, how many belong to groups, and how many have limits."""

    tasks: Mapping[str, int]
    members: int
    limited: int


def standing(db: sqlite3.Connection, tokens: Sequence[str]) -> Standing | None:
    """Return how many of the tasks stand where if all tokens hold, and none is named twice.

    One step that costs a fraction of reading their rows.
    """
    named = rows.json_array(map(seq_of, tokens)), rows.json_array(tokens)
    *found, members, limited = map(int, db.execute(statements.STANDING, named).fetchone())
    tasks: dict[str, int] = dict(zip(statements.HELD_AS, found, strict=True))
    return Standing(tasks, members, limited) if sum(found) == len(tokens) else None
