"""Writes how deliveries ended, one statement per kind of settlement."""

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import TypeAlias, cast

from taskqueue.errors import StatementRefused
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    NewTask,
    NotApplied,
    SettleBy,
    Settled,
    Settlement,
    Status,
)
from taskqueue.storage.settled_rows import change_by
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.handler_sql import execution
from taskqueue.storage.sqlite.operations import leases, membership
from taskqueue.storage.sqlite.operations.inserting import insert_admitted
from taskqueue.storage.sqlite.operations.leases import Lease, Leases
from taskqueue.storage.sqlite.sql import rows, statements


class NotBegun:
    """The answer to what there was no time for: nothing of it was done, and it is to come again."""


Answer: TypeAlias = Settled | NotApplied | NotBegun


def complete(tx: Transaction, settlements: Sequence[SettleBy], *, now: float) -> tuple[Answer, ...]:
    """Write completions that have no follow-ups and statements, as `settle` does."""
    return settle(tx, settlements, refused={}, now=now)


def settle(
    tx: Transaction,
    settlements: Sequence[SettleBy],
    *,
    refused: dict[str, NotApplied],
    now: float,
    share_s: float = math.inf,
) -> tuple[Answer, ...]:
    """Write what the tokens give the right to; answer in the order given.

    `refused` holds, by token, what an earlier run of the same write has learnt not to try again.
    Statements of handlers share `share_s` seconds: those of the first that oversteps it are the
    last that are begun.
    """
    if all(map(only_completes, settlements)):
        standing = leases.standing(tx.db, [by.token for by in settlements])
        if standing is not None:
            return _complete(tx, settlements, standing, now=now)
    return _settle_each(tx, settlements, refused=refused, now=now, share_s=share_s)


def only_completes(by: SettleBy) -> bool:
    """Return whether nothing of the handler's has to be applied, nor anything but a result kept.

    Its follow-ups are new tasks, but whether one may join a group depends on the task's own row.
    """
    return (
        type(by.settlement) is Complete
        and by.lease_end is None
        and not by.settlement.statements
        and not membership.has_members(by.settlement.follow_ups)
    )


def has_statements(by: SettleBy) -> bool:
    """Return whether statements of a handler have to be applied."""
    return type(by.settlement) is Complete and bool(by.settlement.statements)


def _complete(
    tx: Transaction, settlements: Sequence[SettleBy], standing: leases.Standing, *, now: float
) -> tuple[Settled, ...]:
    """Complete what all holds and needs no look at its row: nearly every batch is so."""
    changes = []
    follow_ups: list[NewTask] = []
    for by in settlements:
        settlement = cast("Complete", by.settlement)
        changes.append((leases.seq_of(by.token), by.started_at, settlement.result, now))
        follow_ups += settlement.follow_ups
    if standing.members:
        membership.move_all(tx, (seq for seq, *_ in changes), Status.COMPLETED, now=now)
    statements.SETTLE[Complete].run(tx.db, changes)
    statements.KEEP_LOG.run(tx.db, _logs(settlements))
    for status, tasks in standing.tasks.items():
        tx.moved(status, Status.COMPLETED, tasks)
    if standing.limited:
        tx.gates.free((seq for seq, *_ in changes), {}, now=now)
    _insert(tx, follow_ups, now=now)
    return (Settled.WRITTEN,) * len(settlements)


def _logs(completing: Sequence[SettleBy]) -> list[rows.Row]:
    return [(leases.seq_of(by.token), by.log) for by in completing if by.log is not None]


def _insert(tx: Transaction, follow_ups: Sequence[NewTask], *, now: float) -> None:
    if follow_ups:
        answered = zip(follow_ups, insert_admitted(tx, follow_ups, now=now), strict=True)
        tx.refused += [each for each in answered if each[1].is_refused]


def _settle_each(
    tx: Transaction,
    settlements: Sequence[SettleBy],
    *,
    refused: dict[str, NotApplied],
    now: float,
    share_s: float,
) -> tuple[Answer, ...]:
    until = time.monotonic() + share_s
    found = Leases(tx.db, [by.token for by in settlements])
    writing = _Settling(tx, now=now)
    answers: list[Answer] = []
    for by in settlements:
        if answers and has_statements(by) and time.monotonic() > until:
            answers.append(NotBegun())
            continue
        settled_as = statements.SETTLED_AS[type(by.settlement)]
        lease = found.holding(by.token)
        if lease is None:
            repeated = found.settled(by.token, settled_as)
            answers.append(Settled.REPEATED if repeated else Settled.LEASE_LOST)
        elif by.lease_end is not None and leases.is_extended(tx.db, lease, by.lease_end):
            answers.append(Settled.LEASE_LOST)
        elif (refusal := _apply_statements(tx, by, refused)) is not None:
            answers.append(refusal)
        else:
            answers.append(writing.add(lease, by))
            found.settle(lease, settled_as)
    writing.write()
    return tuple(answers)


def _apply_statements(
    tx: Transaction, by: SettleBy, refused: dict[str, NotApplied]
) -> NotApplied | None:
    """Apply the handler's statements if there are any; return why they cannot be."""
    if not isinstance(by.settlement, Complete) or not by.settlement.statements:
        return None
    if by.token in refused:
        return refused[by.token]
    try:
        execution.apply(tx.db, by.settlement.statements)
    except execution.TransactionLost as error:
        refused[by.token] = NotApplied(error=error.detail)
        raise
    except execution.RowsChanged as error:
        return NotApplied(error=str(error), outcome=AttemptOutcome.CONFLICTED)
    except StatementRefused as error:
        return NotApplied(error=error.detail)
    return None


class _Settling:
    """Gathers what a batch of settlements writes."""

    def __init__(self, tx: Transaction, *, now: float) -> None:
        self._tx = tx
        self._now = now
        self._changes: defaultdict[type[Settlement], list[rows.Row]] = defaultdict(list)
        self._attempts: list[rows.Row] = []
        self._completing: list[SettleBy] = []
        self._follow_ups: list[NewTask] = []
        self._cancelled: list[int] = []
        self._returned: dict[int, float] = {}  # whose starts are, and when these were

    def add(self, lease: Lease, by: SettleBy) -> Settled:
        """Add one settlement of a lease that holds; return what will have become of it."""
        now, settlement = self._now, by.settlement
        change = change_by(by, lease, now=now)
        if isinstance(settlement, Complete):
            self._completing.append(by)
            self._follow_ups += membership.follow_ups(
                self._tx, settlement.follow_ups, lease.group, now=now
            )
        if change.line is not None:
            self._attempts.append((lease.seq, by.started_at, *change.line, by.log))
        if change.returns_start:
            self._returned[lease.seq] = now if lease.claimed_at is None else lease.claimed_at
        if change.cuts_short:
            self._cancelled.append(lease.seq)
        self._changes[type(settlement)].append((lease.seq, by.started_at, *change.values))
        self._tx.moved(lease.status, change.after)
        self._tx.member_moved(lease.group, lease.status, change.after, now=now)
        return Settled.CANCELLED if change.cuts_short else Settled.WRITTEN

    def write(self) -> None:
        """Write all that was added."""
        db = self._tx.db
        statements.ADD_ATTEMPT.run(db, self._attempts, self._now)
        for kind, changes in self._changes.items():
            statements.SETTLE[kind].run(db, changes)
        statements.KEEP_LOG.run(db, _logs(self._completing))
        if self._cancelled:
            db.execute(statements.END_CANCELLED, (rows.json_array(self._cancelled), self._now))
        seqs = [change[0] for changes in self._changes.values() for change in changes]
        self._tx.gates.free(seqs, self._returned, now=self._now)
        _insert(self._tx, self._follow_ups, now=self._now)
