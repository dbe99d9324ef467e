"""Writes how deliveries ended, one statement per kind of settlement."""

from collections import defaultdict
from collections.abc import Sequence

from taskqueue.rules.tasks import ENDED, Complete, NewTask, SettleBy, Settled, Settlement
from taskqueue.storage.postgres.connections import Row
from taskqueue.storage.postgres.operations import membership
from taskqueue.storage.postgres.operations.chains import Holder
from taskqueue.storage.postgres.operations.inserting import insert_admitted
from taskqueue.storage.postgres.operations.leases import Lease, Leases
from taskqueue.storage.postgres.sql import settling as sql
from taskqueue.storage.postgres.sql.changing import END_ATTEMPTS
from taskqueue.storage.postgres.transaction import Transaction
from taskqueue.storage.settled_rows import change_by


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
        self._returned: dict[int, float] = {}  # whose starts are, and when these were

    async def add(self, lease: Lease, by: SettleBy) -> Settled:
        """Add one settlement of a lease that holds; return what will have become of it."""
        now, settlement = self._now, by.settlement
        change = change_by(by, lease, now=now)
        row: Row = (lease.seq, by.started_at, *change.values)
        if isinstance(settlement, Complete):
            row = (*row, by.log)
            self._follow_ups += await membership.follow_ups(
                self._tx, settlement.follow_ups, lease.group, now=now
            )
        if change.line is not None:
            self._attempts.append((lease.seq, by.started_at, *change.line, by.log))
            self._with_attempts.add(lease.seq)
        if change.returns_start:
            self._returned[lease.seq] = now if lease.claimed_at is None else lease.claimed_at
        if (holder := lease.holder) is not None:
            self._limited[lease.seq] = holder
        if change.cuts_short:
            self._cancelled.append(lease.seq)
        self._changes[type(settlement)].append(row)
        if change.after in ENDED and (lease.has_attempts or lease.seq in self._with_attempts):
            self._ended.append((lease.seq, change.after))
        self._tx.moved(lease.status, change.after)
        self._tx.member_moved(lease.group, lease.status, change.after, now=now)
        return Settled.CANCELLED if change.cuts_short else Settled.WRITTEN

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
