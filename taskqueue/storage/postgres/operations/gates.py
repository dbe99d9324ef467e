"""The gates of limits inside a transaction: what is full is parked, what is freed is opened.

    claim    ─▶ is the gate of a row open? take a slot : park it, with some that are limited alike
    settle   ─▶ free the slots ─▶ open the first rows that are parked there
    a rate   ─▶ its first parked row opens at an instant, at the next claim

While a gate has room, no row that could pass it next stays parked: the first of each queue is open.
So a claim finds it in its order, and nothing polls. To keep it so, the gates are woken after a slot
is taken or freed, and when an open row is cancelled, edited or parked elsewhere.

Several nodes claim and settle at once: whatever counts slots, or parks because there are none,
holds the lock of the gate until its commit. Rows are locked before gates, and where a gate is held,
no row is waited for: what another transaction has locked is passed over, and left to it.
"""

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple, TypeAlias

from taskqueue.rules import limits
from taskqueue.rules.limits import GateState, LimitUse
from taskqueue.storage.postgres.connections import SQL, changed_rows
from taskqueue.storage.postgres.operations.chains import Holder
from taskqueue.storage.postgres.operations.gate_books import GateBooks
from taskqueue.storage.postgres.sql import parking

_MOST_OPENED = 64  # at once; a claim that takes them opens the next

Place: TypeAlias = tuple[int, float, float, str]
"""Priority, turn, `run_at` and id: the order of a claim."""


class Candidate(NamedTuple):
    """An open row, by what the order of a claim depends on."""

    seq: int
    limits: str | None
    priority: int
    turn: float
    run_at: float
    id: str

    @property
    def place(self) -> Place:
        """Where it stands in its queue."""
        return self[2:]


class Head(NamedTuple):
    """The first row of a queue that is parked at a gate."""

    queue: str
    limits: str
    place: Place


class Gates:
    """The limits, and how much of them is used, as this transaction has left it."""

    def __init__(self, db: SQL) -> None:
        self._db = db
        self._books = GateBooks(db)
        self._heads: dict[str, list[Head]] = {}
        self.opened = 0
        """How many rows were opened so far."""
        self.parked = 0
        """How many rows were parked so far."""
        self._opens_later = False

    @property
    def has_opened(self) -> bool:
        """Whether rows were opened, or will be at an instant: perhaps another node has room."""
        return self._opens_later or self.opened > 0

    async def lock(self, texts: Iterable[str | None]) -> None:
        """Lock the gates of these limits until the commit.

        `texts` are `limits` columns. A claim calls this for all its candidates before it looks at
        the first, so that nodes do not deadlock.
        """
        await self._books.lock(use.gate for text in {*texts} for use in limits.decoded(text))

    async def lock_first(self, buckets: Collection[int]) -> None:
        """Begin with these locks: an earlier try of the same commit needed them."""
        await self._books.lock_buckets(buckets)

    async def take(self, queue: str, row: Candidate, *, most_parked: int, now: float) -> bool:
        """Take a slot of each limit of an open row; if one has none, park the row.

        At most `most_parked` rows with the same limits are parked, this one included. Returns
        whether the row can be claimed.
        """
        uses = limits.decoded(row.limits)
        if await self._park(queue, row, uses, most=most_parked, now=now):
            return False
        for use in uses:
            await self._books.take(row.seq, use, now=now)
        await self.wake(uses, now=now)
        return True

    async def is_open(self, queue: str, row: Candidate, *, most_parked: int, now: float) -> bool:
        """Return whether a row could be claimed; if it could not, park it as `take` does."""
        uses = limits.decoded(row.limits)
        return not await self._park(queue, row, uses, most=most_parked, now=now)

    async def park_full(self, queue: str, text: str, *, most: int, now: float) -> None:
        """Park up to `most` open rows of these limits, unless there is room."""
        await self.lock((text,))
        for use in limits.decoded(text):
            at = await self._books.opens_at(use)
            if at > now:
                await self._park_at(queue, text, use, at, (*parking.FIRST_PLACE, most), now=now)
                return

    async def free(
        self, held: Mapping[int, Holder], returned: Mapping[int, float], *, now: float
    ) -> None:
        """Free the slots of held rows, or pass them on; give the starts of `returned` ones back.

        `returned` says when these were claimed.
        """
        for gate in await self._books.free(held, returned, now=now):
            await self._wake(gate, now=now)

    async def let_go(self, text: str | None, *, now: float) -> None:
        """Wake the gates of an open row that leaves the line; `text` is its `limits`.

        None if it was parked.
        """
        self._heads.clear()  # it may have been the first
        if text is not None:
            await self.wake(limits.decoded(text), now=now)

    async def open_due(self, *, now: float) -> None:
        """Open what the rates of its limits allow now."""
        due = [gate for (gate,) in await self._db.fetch(parking.DUE_OPENINGS, now)]
        if due:
            await self._books.lock(due)
            await self._db.execute(parking.TAKE_OPENINGS, due, now)
            for gate in due:
                await self._wake(gate, now=now)

    async def wake(self, uses: Iterable[LimitUse], *, now: float) -> None:
        """Open the first rows that are parked at these gates, as far as there is room."""
        gates = [use.gate for use in uses]
        await self._books.lock(gates)
        for gate in gates:
            await self._wake(gate, now=now)

    async def wake_all(self, name: str, *, now: float) -> None:
        """Do so for all keys of a limit."""
        await self._books.lock((name,))
        await self._wake(name, now=now)
        gate: str | None = f"{name}/"
        end = f"{name}0"  # "0" comes after "/"
        while (gate := await self._db.fetchval(parking.NEXT_PARKED_GATE, gate, end)) is not None:
            await self._books.lock((gate,))
            await self._wake(gate, now=now)

    async def is_known(self, name: str) -> bool:
        """Return whether there is a limit of this name."""
        return name in await self._books.values()

    async def lock_values(self) -> None:
        """Let no other transaction use a limit until the commit: they are about to change."""
        await self._books.lock_values()

    async def have_rates(self, uses: Iterable[LimitUse]) -> bool:
        """Return whether starts are counted by any of these limits."""
        return any([(await self._books.of(use)).starts is not None for use in uses])

    def forget_heads(self) -> None:
        """Look at the rows again that are parked: some have left."""
        self._heads.clear()

    def forget_values(self) -> None:
        """Read the limits again: they have changed."""
        self._books.forget_values()

    async def spend(self, use: LimitUse, *, now: float) -> float:
        """Take starts without a slot; return from when on they can be taken, at most `now`."""
        await self._books.lock((use.gate,))
        state = GateState(debt_at=self._books.state(use.gate).debt_at)
        at = limits.opens_at(await self._books.of(use), state, use.cost)
        if at <= now:
            await self._books.start(use, now=now)
        return at

    async def charge(self, use: LimitUse, *, now: float) -> None:
        """Count starts that were made already, or give some back: then others may begin sooner."""
        await self._books.lock((use.gate,))
        await self._books.start(use, now=now)
        await self._wake(use.gate, now=now)

    async def flush(self) -> None:
        """Write what was taken: before the commit at the latest."""
        await self._books.flush()

    # --- parking --------------------------------------------------------------------------------

    async def _park(
        self, queue: str, row: Candidate, uses: tuple[LimitUse, ...], *, most: int, now: float
    ) -> bool:
        await self._books.lock(use.gate for use in uses)
        for use in uses:
            at = await self._books.opens_at(use)
            if at > now or await self._is_behind(queue, use.gate, row):
                which = (row.seq, *row.place, most - 1)
                await self._park_at(queue, row.limits, use, at, which, now=now)
                await self.wake((each for each in uses if each != use), now=now)
                return True
        return False

    async def _park_at(
        self,
        queue: str,
        text: str | None,
        use: LimitUse,
        at: float,
        which: tuple[object, ...],
        *,
        now: float,
    ) -> None:
        tag = await self._db.execute(parking.PARK, use.gate, text, queue, now, *which)
        self.parked += changed_rows(tag)
        self._heads.pop(use.gate, None)
        if now < at < math.inf:
            await self._open_at(use.gate, at)

    async def _is_behind(self, queue: str, gate: str, row: Candidate) -> bool:
        """Return whether a row of the same queue waits at the gate that comes first."""
        heads = await self._heads_of(gate)
        return any(head.queue == queue and head.place < row.place for head in heads)

    # --- opening --------------------------------------------------------------------------------

    async def _wake(self, gate: str, *, now: float) -> None:
        for head in await self._heads_of(gate):
            await self._open(gate, head, now=now)

    async def _open(self, gate: str, head: Head, *, now: float) -> None:
        """Open the first rows of a queue that are parked at a gate, if it has room for them."""
        use = next(use for use in limits.decoded(head.limits) if use.gate == gate)
        at = await self._books.opens_at(use)
        if at <= now:
            room = await self._room(use)
            opened = changed_rows(await self._db.execute(parking.OPEN, gate, head.queue, room))
            self.opened += opened
            self._heads.pop(gate, None)
            if opened < room and await self._has_parked(gate, head.queue):
                # A claim that met it when it was open holds its lock. The next claim opens it.
                await self._open_at(gate, now)
        elif at < math.inf:
            await self._open_at(gate, at)

    async def _open_at(self, gate: str, at: float) -> None:
        await self._db.execute(parking.OPEN_AT, gate, at)
        self._opens_later = True

    async def _has_parked(self, gate: str, queue: str) -> bool:
        return any(head.queue == queue for head in await self._heads_of(gate))

    async def _room(self, use: LimitUse) -> int:
        values = await self._books.of(use)
        if values.starts is not None:
            return 1
        if values.running is None:
            return _MOST_OPENED
        return min(values.running - self._books.state(use.gate).running, _MOST_OPENED)

    async def _heads_of(self, gate: str) -> list[Head]:
        """Return the first row of each queue that is parked at a gate."""
        if gate not in self._heads:
            found: defaultdict[str, list[Head]] = defaultdict(list)
            for of_gate, queue, text, *place in await self._db.fetch(parking.HEADS, [gate]):
                found[of_gate].append(Head(queue, text, (place[0], place[1], place[2], place[3])))
            self._heads[gate] = found[gate]
        return self._heads[gate]
