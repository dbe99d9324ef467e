"""Finds the rows that tokens name, and says which tokens hold."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from taskqueue.storage.sqlite import rows, statements
from taskqueue.tasks import Status

_LAST_SEQ = 2**63 - 1


class Lease(NamedTuple):
    """What a settling verb must know about the row that a token names, as `LEASES` selects it."""

    seq: int
    token: str | None
    status: str
    waited_as: str  # its status before it was started
    attempt: int
    started_at: float | None
    settled_token: str | None
    settled_as: str | None
    cancelling: int  # 1: its cancellation was asked for

    @property
    def started(self) -> bool:
        """Whether the delivery has left the buffer."""
        return self.status == Status.RUNNING


class Leases:
    """The rows that some tokens name, read in one statement."""

    def __init__(self, db: sqlite3.Connection, tokens: Iterable[str]) -> None:
        named = rows.json_array(seq for seq in map(_seq, tokens) if seq is not None)
        found = [Lease._make(row) for row in db.execute(statements.LEASES, (named,)).fetchall()]
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


def _seq(token: str) -> int | None:
    # A token of ours begins with the row's number in hex; any other text names no row.
    number, _, _ = token.partition("-")
    try:
        seq = int(number, 16)
    except ValueError:
        return None
    return seq if seq <= _LAST_SEQ else None
