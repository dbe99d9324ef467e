"""What `claim` does inside a transaction.

Where neither limits nor turns nor ageing are used, a batch is chosen, locked and leased by one
statement. Elsewhere rows are locked in their order, chosen one by one, and leased together.
"""

import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import NamedTuple

from taskqueue.rules.tasks import Delivery, Owner, Unfinished
from taskqueue.storage import task_rows
from taskqueue.storage.limits import MOST_PARKED
from taskqueue.storage.postgres.connections import Row
from taskqueue.storage.postgres.operations import chaining
from taskqueue.storage.postgres.operations.fronts import Fronts, Place
from taskqueue.storage.postgres.operations.gates import Candidate
from taskqueue.storage.postgres.operations.ordering import ready_in_order
from taskqueue.storage.postgres.sql import claims, ready
from taskqueue.storage.postgres.transaction import Transaction

_TASK_COLUMNS = 25
_TOKEN, _SEQ, _TURN = _TASK_COLUMNS, _TASK_COLUMNS + 1, _TASK_COLUMNS + 2


async def claim(
    tx: Transaction,
    queue: str,
    *,
    limit: int,
    most_limited: int | None = None,
    chain: int = 0,
    ageing_s: float | None = None,
    owner: Owner,
    expires_at: float,
    fronts: Fronts,
    now: float,
) -> tuple[Delivery, ...]:
    """Lease ready tasks in their order, up to `most_limited` that have limits; chain some more.

    The claim is `Unfinished` if it has parked as many rows as it may.
    """
    if not limit:
        return ()
    nonce = secrets.token_hex(16)
    chosen = _Chosen(tx, queue, limit=limit, most_limited=most_limited, now=now)
    await chosen.look()
    if chosen.is_plain and ageing_s is None:
        lease = (nonce, owner.node, owner.incarnation, expires_at)
        asked = _Asked(queue, limit, lease, fronts)
        rows = [*await _claim_at_front(tx, asked, now=now)]
        rows += await _claim_by_priority(tx, asked, limit - len(rows), now=now)
        tx.rows_changed += len(rows)
        return tuple(_deliveries(rows, expires_at, now=now))
    leased = (nonce, owner.node, owner.incarnation, now, expires_at)
    order = ready_in_order(tx.db, queue, ageing_s=ageing_s, again=chosen.has_limited, now=now)
    claimed: list[Delivery] = []
    while not chosen.is_over and (batch := await order.next(chosen.left)) is not None:
        seqs = [seq async for seq in chosen.choose(batch)]
        if seqs:
            found = await tx.db.fetch(claims.CLAIM, seqs, *leased)
            tx.rows_changed += len(found)
            if chosen.has_flows:
                await tx.turns.serve(seqs)
            by_seq = {row[_SEQ]: row for row in found}
            claimed += _deliveries((by_seq[seq] for seq in seqs), expires_at, now=now)
    if chain and ageing_s is None and not chosen.has_flows:
        behind = chaining.chain(
            tx,
            queue,
            claimed,
            most=chain,
            at_once=most_limited,
            is_full=chosen.is_over,
            lease=leased,
        )
        chained = [row async for row in behind]
        tx.rows_changed += len(chained)
        claimed += _deliveries(chained, expires_at, chained=True, now=now)
    return Unfinished(claimed) if chosen.has_parked_enough else tuple(claimed)


class _Asked(NamedTuple):
    queue: str
    limit: int
    lease: tuple[str, str, str, float]
    fronts: Fronts


async def _claim_at_front(tx: Transaction, asked: _Asked, *, now: float) -> Iterable[Row]:
    """Claim from where the latest claim has found the first ready row, if that is known."""
    front = asked.fronts.of(asked.queue)
    if front is None:
        return ()
    wanted = (asked.queue, now, front.priority, asked.limit)
    found = await tx.db.fetch(claims.CLAIM_FROM, *wanted, *asked.lease, front.run_at)
    return sorted(found, key=_in_order)


async def _claim_by_priority(
    tx: Transaction, asked: _Asked, limit: int, *, now: float
) -> Iterable[Row]:
    claimed: list[Row] = []
    priority: int | None = ready.FIRST_OF_ALL
    while priority is not None and len(claimed) < limit:
        wanted = (asked.queue, now, priority)
        claiming = tx.db.fetch(claims.CLAIM_READY, *wanted, limit - len(claimed), *asked.lease)
        if priority == ready.FIRST_OF_ALL:
            claiming = asked.fronts.watched(tx.db, asked.queue, claiming, _place_of)
        found = sorted(await claiming, key=_in_order)
        claimed += found
        if found:
            # What is left of its priority is locked by others, or less than was asked for.
            priority = found[0][4] + 1
        else:
            priority = await tx.db.fetchval(ready.FOLLOWING, *wanted)
    return claimed


def _in_order(row: Row) -> tuple[float, float, str]:
    return row[_TURN], row[10], row[0]


def _place_of(row: Row) -> Place:
    return Place(priority=row[4], turn=row[_TURN], run_at=row[10])


def _deliveries(
    found: Iterable[Row], expires_at: float, *, chained: bool = False, now: float
) -> Iterable[Delivery]:
    for row in found:
        yield Delivery(
            token=row[_TOKEN],
            task=task_rows.task(row, now=now),
            expires_at=expires_at,
            started=False,
            chained=chained,
        )


class _Chosen:
    """Chooses which of the ready rows are claimed, in their order."""

    def __init__(
        self, tx: Transaction, queue: str, *, limit: int, most_limited: int | None, now: float
    ) -> None:
        self.left = limit
        self.is_full = not limit
        self.has_limited = False
        self.has_flows = False
        self._tx = tx
        self._queue = queue
        self._limited_left = limit if most_limited is None else most_limited
        self._now = now
        self._parked_before = tx.gates.parked

    @property
    def is_plain(self) -> bool:
        """Whether nothing but the order decides."""
        return not (self.has_limited or self.has_flows)

    @property
    def has_parked_enough(self) -> bool:
        """Whether other commits should come in between before more rows are parked."""
        return self._left_to_park <= 0

    @property
    def is_over(self) -> bool:
        """Whether the claim ends here, although more may be ready."""
        return self.is_full or self.has_parked_enough

    @property
    def _left_to_park(self) -> int:
        return MOST_PARKED - (self._tx.gates.parked - self._parked_before)

    async def look(self) -> None:
        """Find out what decides; give turns and open gates that have come due."""
        if await self._beyond_priorities():
            await self._tx.turns.give(self._queue, now=self._now)
            await self._tx.gates.open_due(now=self._now)
            await self._beyond_priorities()

    async def _beyond_priorities(self) -> bool:
        """Return whether gates or turns have come due."""
        row = await self._tx.db.fetchrow(ready.BEYOND_PRIORITIES, self._queue, self._now)
        is_due, self.has_limited, self.has_flows = row or (False, False, False)
        return bool(is_due)

    async def choose(self, batch: Sequence[Candidate]) -> AsyncIterator[int]:
        """Yield the numbers of those of the next ready rows that are claimed."""
        if self.has_limited:
            await self._tx.gates.lock(row.limits for row in batch)
        gates, opened = self._tx.gates, self._tx.gates.opened
        held_back = set[str]()
        for row in batch:
            if row.limits is None:
                yield self._taken(row)
            elif row.limits in held_back:
                continue  # it was parked with the first of them
            elif not await self._passes(row):
                held_back.add(row.limits)
            elif self._limited_left:
                self._limited_left -= 1
                yield self._taken(row)
            else:
                self.is_full = True  # what comes behind it must not overtake it
            if self.is_over or gates.opened > opened:
                return  # what was opened may come before the next

    async def _passes(self, row: Candidate) -> bool:
        """Return whether all gates of a row are open, and take its slots if it is to be claimed."""
        ask = self._tx.gates.take if self._limited_left else self._tx.gates.is_open
        return await ask(self._queue, row, most_parked=self._left_to_park, now=self._now)

    def _taken(self, row: Candidate) -> int:
        self.left -= 1
        self.is_full = self.is_full or not self.left
        return row.seq
