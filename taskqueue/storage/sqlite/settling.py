"""Writes how deliveries ended, one prepared statement per kind of settlement."""

from collections import defaultdict
from collections.abc import Sequence
from typing import assert_never

from taskqueue.storage.sqlite import rows, statements
from taskqueue.storage.sqlite.leases import Lease, Leases
from taskqueue.storage.sqlite.transaction import Transaction
from taskqueue.storage.sqlite.writes import insert
from taskqueue.tasks import (
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    HandBack,
    NewTask,
    Postpone,
    Requeue,
    SettleBy,
    Settled,
    Settlement,
    Status,
)


def settle(tx: Transaction, settlements: Sequence[SettleBy], *, now: float) -> tuple[Settled, ...]:
    """Write what the tokens give the right to; answer in the order given."""
    leases = Leases(tx.db, [by.token for by in settlements])
    writing = _Settling(tx, now=now)
    answers = []
    for by in settlements:
        settled_as = statements.SETTLED_AS[type(by.settlement)]
        lease = leases.holding(by.token)
        if lease is not None:
            writing.add(lease, by.settlement)
            leases.settle(lease, settled_as)
            answers.append(Settled.WRITTEN)
        elif leases.settled(by.token, settled_as):
            answers.append(Settled.REPEATED)
        else:
            answers.append(Settled.LEASE_LOST)
    writing.write()
    return tuple(answers)


class _Settling:
    """Gathers what a batch of settlements writes."""

    def __init__(self, tx: Transaction, *, now: float) -> None:
        self._tx = tx
        self._now = now
        self._changes: defaultdict[type[Settlement], list[rows.Row]] = defaultdict(list)
        self._attempts: list[rows.Row] = []
        self._follow_ups: list[NewTask] = []

    def add(self, lease: Lease, settlement: Settlement) -> None:
        """Add one settlement of a lease that holds."""
        now = self._now
        after: str
        change: rows.Row
        match settlement:
            case Complete(result=result, follow_ups=follow_ups):
                after, change = Status.COMPLETED, (result, now)
                self._follow_ups += follow_ups
            case Requeue(run_at=run_at, outcome=outcome, error=error):
                after, change = Status.RETRYING, (run_at, error, _crashes(outcome))
                self._add_attempt(lease, outcome, error, settlement.traceback)
            case Postpone(run_at=run_at):
                after, change = Status.SCHEDULED, (run_at,)
                self._add_attempt(lease, AttemptOutcome.SNOOZED)
            case DeadLetter(reason=reason, outcome=outcome, error=error):
                after, change = Status.DEAD, (reason, _crashes(outcome), now)
                self._add_attempt(lease, outcome, error, settlement.traceback)
            case Cancel(reason=reason):
                after, change = Status.CANCELLED, (reason, now)
                self._add_attempt(lease, AttemptOutcome.CANCELLED, reason)
            case HandBack():
                after, change = lease.waited_as, ()
                if lease.started:
                    self._add_attempt(lease, AttemptOutcome.INTERRUPTED)
            case never:
                assert_never(never)
        self._changes[type(settlement)].append((*change, lease.seq))
        self._tx.moved(lease.status, after)

    def write(self) -> None:
        """Write all that was added."""
        for kind, changes in self._changes.items():
            self._tx.db.executemany(statements.SETTLE[kind], changes)
        self._tx.db.executemany(statements.ADD_ATTEMPT, self._attempts)
        insert(self._tx, self._follow_ups, now=self._now)

    def _add_attempt(
        self,
        lease: Lease,
        outcome: AttemptOutcome,
        error: str | None = None,
        traceback: str | None = None,
    ) -> None:
        started_at = lease.started_at if lease.started else None
        self._attempts.append(
            (lease.seq, lease.attempt, outcome, error, traceback, started_at, self._now)
        )


def _crashes(outcome: AttemptOutcome) -> int:
    return int(outcome is AttemptOutcome.CRASHED)
