"""Writes how deliveries ended, one statement per kind of settlement."""

from collections import defaultdict
from collections.abc import Sequence
from typing import assert_never

from taskqueue.rules import turns
from taskqueue.rules.summaries import error_pattern
from taskqueue.rules.tasks import (
    ENDED,
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    NewTask,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Status,
)
from taskqueue.storage.postgres.connections import Row
from taskqueue.storage.postgres.operations import membership
from taskqueue.storage.postgres.operations.chains import Holder
from taskqueue.storage.postgres.operations.inserting import insert_admitted
from taskqueue.storage.postgres.operations.leases import Lease, Leases
from taskqueue.storage.postgres.sql import settling as sql
from taskqueue.storage.postgres.sql.changing import END_ATTEMPTS
from taskqueue.storage.postgres.transaction import Transaction


async def settle(
    tx: Transaction, settlements: Sequence[SettleBy], *, now: float
) -> tuple[Settled, ...]:
    """Write what the tokens give the right to; answer in the order given.

    Statements of handlers were applied before: see `handler_sql.settling`.
    """
    found = await Leases.of(tx.db, [by.token for by in settlements])
    writing = _Settling(tx, now=now)
    answers: list[Settled] = []
    for by in settlements:
        settled_as = sql.SETTLED_AS[type(by.settlement)]
        lease = found.holding(by.token)
        if lease is None:
            repeated = found.settled(by.token, settled_as)
            answers.append(Settled.REPEATED if repeated else Settled.LEASE_LOST)
        elif lease.is_extended_since(by.lease_end):
            answers.append(Settled.LEASE_LOST)
        else:
            answers.append(await writing.add(lease, by))
            found.settle(lease, settled_as)
    await writing.write()
    return tuple(answers)


class _Settling:
    """Gathers what a batch of settlements writes."""

    def __init__(self, tx: Transaction, *, now: float) -> None:
        self._tx = tx
        self._now = now
        self._changes: defaultdict[type[Settlement], list[Row]] = defaultdict(list)
        self._attempts: list[Row] = []
        self._with_attempts: set[int] = set()
        self._follow_ups: list[NewTask] = []
        self._cancelled: list[int] = []
        self._ended: list[tuple[int, str]] = []  # those that have attempts
        self._limited: dict[int, Holder] = {}
        self._returned: set[int] = set()  # whose starts are

    async def add(self, lease: Lease, by: SettleBy) -> Settled:
        """Add one settlement of a lease that holds; return what will have become of it."""
        now = self._now
        settlement = by.settlement
        after: str
        change: Row
        match settlement:
            case Complete(result=result, follow_ups=follow_ups):
                after, change = Status.COMPLETED, (result, now, by.log)
                self._follow_ups += await membership.follow_ups(
                    self._tx, follow_ups, lease.group, now=now
                )
            case Requeue(run_at=run_at, outcome=outcome, error=error):
                after, change = Status.RETRYING, (run_at, error, _crashes(outcome))
                self._add_attempt(lease, by, outcome, error, settlement.traceback)
            case Postpone(run_at=run_at, outcome=outcome, error=error_or_none):
                after = Status.SCHEDULED
                turn = turns.NONE if outcome is AttemptOutcome.SNOOZED else turns.AGAIN
                change = (run_at, turn)
                self._returned.add(lease.seq)
                self._add_attempt(lease, by, outcome, error_or_none)
            case DeadLetter(reason=reason, outcome=outcome, error=error):
                pattern = error_pattern(reason)
                after, change = Status.DEAD, (reason, _crashes(outcome), now, pattern)
                self._add_attempt(lease, by, outcome, error, settlement.traceback)
            case Cancel(reason=reason):
                after, change = Status.CANCELLED, (reason, now)
                if not _has_begun(lease, by):
                    self._returned.add(lease.seq)
                self._add_attempt(lease, by, AttemptOutcome.CANCELLED, reason)
            case Release(delivery_counts=delivery_counts):
                started = _has_begun(lease, by)
                self._returned.add(lease.seq)
                after, change = lease.waited_as, (int(not (delivery_counts or started)),)
                if started:
                    self._add_attempt(lease, by, AttemptOutcome.INTERRUPTED)
            case never:
                assert_never(never)
        if (holder := lease.holder) is not None:
            self._limited[lease.seq] = holder
        cancelled = lease.cancelling and after not in ENDED
        if cancelled:
            after = Status.CANCELLED
            self._cancelled.append(lease.seq)
        self._changes[type(settlement)].append((lease.seq, by.started_at, *change))
        if after in ENDED and (lease.has_attempts or lease.seq in self._with_attempts):
            self._ended.append((lease.seq, after))
        self._tx.moved(lease.status, after)
        self._tx.member_moved(lease.group, lease.status, after, now=now)
        return Settled.CANCELLED if cancelled else Settled.WRITTEN

    async def write(self) -> None:
        """Write all that was added."""
        db, now = self._tx.db, self._now
        if self._attempts:
            await db.execute(sql.ADD_ATTEMPT, now, *zip(*self._attempts, strict=True))
        for kind, changes in self._changes.items():
            await db.execute(sql.SETTLE[kind], *zip(*changes, strict=True))
        if self._cancelled:
            await db.execute(sql.END_CANCELLED, self._cancelled, now)
        if self._ended:
            await db.execute(END_ATTEMPTS, *zip(*self._ended, strict=True), now)
        if self._limited:
            await self._tx.gates.free(self._limited, self._returned, now=now)
        if self._follow_ups:
            answers = await insert_admitted(self._tx, self._follow_ups, now=now)
            answered = zip(self._follow_ups, answers, strict=True)
            self._tx.refused += [each for each in answered if each[1].is_refused]

    def _add_attempt(
        self,
        lease: Lease,
        by: SettleBy,
        outcome: AttemptOutcome,
        error: str | None = None,
        traceback: str | None = None,
    ) -> None:
        line = (lease.seq, by.started_at, outcome.value, error, traceback, by.log)
        self._attempts.append(line)
        self._with_attempts.add(lease.seq)


def _has_begun(lease: Lease, by: SettleBy) -> bool:
    return lease.started or by.started_at is not None


def _crashes(outcome: AttemptOutcome) -> int:
    return int(outcome is AttemptOutcome.CRASHED)
