"""The gates of limits inside a transaction: what is full is parked, what is freed is opened.

    claim    ─▶ is the gate of a row open? take a slot : park it, with all that are limited alike
    settle   ─▶ free the slots ─▶ open the first rows that are parked there
    a rate   ─▶ its first parked row opens at an instant, at the next claim

While a gate has room, no row that could pass it next stays parked: the first of each queue is open.
So a claim finds it in its order, and nothing polls. To keep it so, the gates are woken after a slot
is taken or freed, and when an open row is cancelled, edited or parked elsewhere.

Several nodes claim and settle at once: whatever counts slots, or parks because there are none,
holds the lock of the gate until its commit. Locks are taken in the order of their names.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from taskqueue.rules.limits import LimitUse
from taskqueue.storage.postgres.connections import SQL


class Candidate(NamedTuple):
    """An open row, by what the order of a claim depends on."""

    seq: int
    limits: str | None
    priority: int
    turn: float
    run_at: float
    id: str


class Gates:
    """The limits, and how much of them is used, as this transaction has left it."""

    def __init__(self, db: SQL) -> None:
        self._db = db
        self.opened = 0
        """How many rows were opened so far."""

    async def lock(self, texts: Iterable[str | None]) -> None:
        """Lock the gates of these limits until the commit, in the order of their names.

        `texts` are `limits` columns. A claim calls this for all its candidates before it looks at
        the first, so that nodes do not wait for one another in a circle.
        """
        raise NotImplementedError

    async def take(self, queue: str, row: Candidate, *, now: float) -> bool:
        """Take a slot of each limit of an open row; if one has none, park the row.

        Returns whether the row can be claimed.
        """
        raise NotImplementedError

    async def is_open(self, queue: str, row: Candidate, *, now: float) -> bool:
        """Return whether a row could be claimed; if it could not, park it."""
        raise NotImplementedError

    async def park_full(self, queue: str, text: str, *, now: float) -> None:
        """Park the open rows of these limits, unless there is room."""
        raise NotImplementedError

    async def free(self, seqs: Sequence[int], returned: Collection[int], *, now: float) -> None:
        """Free the slots of held rows; give the starts of `returned` ones back."""
        raise NotImplementedError

    async def let_go(self, text: str | None, *, now: float) -> None:
        """Wake the gates of an open row that leaves the line; `text` is its `limits`."""
        if text is not None:
            raise NotImplementedError

    async def open_due(self, *, now: float) -> None:
        """Open what the rates of its limits allow now."""
        raise NotImplementedError

    async def wake(self, uses: Iterable[LimitUse], *, now: float) -> None:
        """Open the first rows that are parked at these gates, as far as there is room."""
        raise NotImplementedError
