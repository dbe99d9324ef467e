"""Claims in memory, with what is chained behind them, and why the others wait."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice

from taskqueue.rules import limits
from taskqueue.rules.limits import GateFacts, LimitUse
from taskqueue.rules.tasks import Cancel, Delivery, Owner, Postpone, Release, Settlement
from taskqueue.storage.limits import MOST_COUNTED
from taskqueue.storage.memory.gates import Gates, in_line
from taskqueue.storage.memory.rows import Lease, Row


class ChainedGates(Gates):
    """What a claim takes, and what waits behind it for the same slots."""

    def claim(
        self,
        queue: str,
        *,
        limit: int,
        most_limited: int | None,
        chain: int,
        ageing_s: float | None,
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[Delivery, ...]:
        """Lease what is next, and up to `chain` more behind it."""
        chosen = self.chosen(
            queue, limit=limit, most_limited=most_limited, ageing_s=ageing_s, now=now
        )
        claimed = self._table.claim(chosen, owner=owner, lease_s=lease_s, now=now)
        if not chain or ageing_s is not None:
            return claimed
        waiting = list(self._chained(queue, claimed, most=chain, at_once=most_limited, now=now))
        chained = self._table.claim(waiting, owner=owner, lease_s=lease_s, now=now, chained=True)
        return claimed + chained

    def _chained(
        self,
        queue: str,
        claimed: Sequence[Delivery],
        *,
        most: int,
        at_once: int | None,
        now: float,
    ) -> Iterator[Row]:
        texts = {each.task.limits: None for each in claimed if each.task.limits is not None}
        for others, text in zip(reversed(range(len(texts))), texts, strict=True):
            behind = list(self._behind(queue, text, claimed, at_once, now=now))
            share = math.ceil(most / (others + 1))
            yield from behind[:share]
            most -= len(behind[:share])

    def _behind(
        self,
        queue: str,
        text: str,
        claimed: Sequence[Delivery],
        at_once: int | None,
        *,
        now: float,
    ) -> Iterator[Row]:
        """Yield the rows with these limits that are next in line."""
        uses = limits.decoded(text)
        if any(self.values(use.name).starts is not None for use in uses):
            return
        gates, closed = {use.gate for use in uses}, set[str]()
        not_at_once = () if at_once is None else islice(claimed, at_once, None)
        until = min((self._table.rows[each.task.id].place for each in not_at_once), default=None)
        for row in self._table.ready(queue, now=now):
            of_row = limits.decoded(row.task.limits)
            elsewhere = (use for use in of_row if use.gate not in gates)
            waits_elsewhere = self._held_back_at(elsewhere, closed, now=now) is not None
            gate = self._held_back_at(of_row, closed, now=now)
            if gate is None or row.flow is not None or (until is not None and row.place > until):
                return
            if waits_elsewhere:  # so a slot would not be enough for it
                continue
            if row.task.limits != text:
                return
            yield row

    def settled(self, row: Row, lease: Lease, settlement: Settlement, *, now: float) -> None:
        """Give the slots that a settled row had to the first that waits behind it, if one does."""
        if lease.chained:
            return
        never_began = isinstance(settlement, Cancel) and not lease.started
        if never_began or isinstance(settlement, Release | Postpone):
            self.returned(row, claimed_at=lease.claimed_at, now=now)
        waiting = [
            (other.claimed_at, each.place, other)
            for each, other in self._table.leased()
            if other.chained
            and (each.task.queue, each.task.limits) == (row.task.queue, row.task.limits)
        ]
        if waiting:
            _, _, first = min(waiting, key=lambda each: each[:2])
            first.chained = False

    def facts(self, row: Row | None, *, now: float) -> GateFacts | None:
        """Return what holds a waiting row back."""
        if row is None or row.task.processed_at is not None or row.task.run_at > now:
            return None
        uses = limits.decoded(row.task.limits)
        full = (use for use in uses if self._opens_at(use) > now)
        if row.lease is None:
            use = next(full, None)
        else:
            use = next(full, uses[0]) if row.lease.chained else None
        return None if use is None else self._facts(row, use, now=now)

    def _facts(self, row: Row, use: LimitUse, *, now: float) -> GateFacts:
        held = sorted(self._held(use.gate), key=lambda each: each.lease.claimed_at)  # type: ignore[union-attr]
        waiting = self._waiting(use.gate, now=now)
        before = [
            each
            for each in waiting
            if each.task.queue == row.task.queue and in_line(each) < in_line(row)
        ]
        at = self._rate_opens_at(use)
        return GateFacts(
            use=use,
            values=self.values(use.name),
            running=tuple(each.task.id for each in held[:5]),
            count=len(held),
            opens_at=at if at > now else None,
            ahead=min(len(before), MOST_COUNTED),
            is_shared=any(each.task.queue != row.task.queue for each in waiting),
        )
