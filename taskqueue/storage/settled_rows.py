"""What a settlement changes in the row of its task, for the engines that write rows with SQL.

The engine that keeps its rows in memory says the same in its own words: the others are compared
with it.
"""

from typing import Any, NamedTuple, Protocol, assert_never

from taskqueue.rules import turns
from taskqueue.rules.summaries import error_pattern
from taskqueue.rules.tasks import (
    ENDED,
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    Postpone,
    Release,
    Requeue,
    SettleBy,
    Settlement,
    Status,
)


class HeldRow(Protocol):
    """The row of a task whose lease holds."""

    @property
    def waited_as(self) -> str:
        """Its status before it was started."""
        ...

    @property
    def started(self) -> bool:
        """Whether the delivery has left the buffer."""
        ...

    @property
    def cancelling(self) -> int:
        """Whether its cancellation was asked for."""
        ...


class HistoryLine(NamedTuple):
    """What the history of a task says of an attempt that has ended."""

    outcome: str  # the value of an `AttemptOutcome`
    error: str | None = None
    traceback: str | None = None


class Change(NamedTuple):
    """What becomes of the row."""

    after: str
    """Its status."""
    values: tuple[Any, ...]
    """What the statement for this kind of settlement takes, after the row and the start."""
    line: HistoryLine | None
    """What to add to the history.

    None for a completion, of which the row itself tells, and for a delivery that never began.
    """
    returns_start: bool = False
    """Whether limits count its start no longer."""
    cuts_short: bool = False
    """Whether it was to go on, but its cancellation was asked for."""


def change_by(by: SettleBy, row: HeldRow, *, now: float) -> Change:
    """Return what a settlement changes in a row whose lease it holds."""
    has_begun = row.started or by.started_at is not None
    change = _change(by.settlement, row.waited_as, has_begun=has_begun, now=now)
    if row.cancelling and change.after not in ENDED:
        return change._replace(after=Status.CANCELLED, cuts_short=True)
    return change


def _change(settlement: Settlement, waited_as: str, *, has_begun: bool, now: float) -> Change:
    match settlement:
        case Complete(result=result):
            return Change(Status.COMPLETED, (result, now), None)
        case Requeue(run_at=run_at, outcome=outcome, error=error, traceback=traceback):
            values: tuple[Any, ...] = (run_at, error, _crashes(outcome))
            return Change(Status.RETRYING, values, HistoryLine(outcome.value, error, traceback))
        case Postpone(run_at=run_at, outcome=outcome, error=error_or_none):
            turn = turns.NONE if outcome is AttemptOutcome.SNOOZED else turns.AGAIN
            line = HistoryLine(outcome.value, error_or_none)
            return Change(Status.SCHEDULED, (run_at, turn), line, returns_start=True)
        case DeadLetter(reason=reason, outcome=outcome, error=error, traceback=traceback):
            values = (reason, _crashes(outcome), now, error_pattern(reason))
            return Change(Status.DEAD, values, HistoryLine(outcome.value, error, traceback))
        case Cancel(reason=reason):
            line = HistoryLine(AttemptOutcome.CANCELLED.value, reason)
            return Change(Status.CANCELLED, (reason, now), line, returns_start=not has_begun)
        case Release(delivery_counts=delivery_counts):
            uncounted = int(not (delivery_counts or has_begun))
            cut = HistoryLine(AttemptOutcome.INTERRUPTED.value) if has_begun else None
            return Change(waited_as, (uncounted,), cut, returns_start=True)
        case never:
            assert_never(never)


def _crashes(outcome: AttemptOutcome) -> int:
    return int(outcome is AttemptOutcome.CRASHED)
