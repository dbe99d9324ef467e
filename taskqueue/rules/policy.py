"""What is written for what happened: the rules about retries, pure.

`settlement` is the one place that decides how an attempt ends. No clock and no randomness in here:
the caller passes `now` and draws the jitter.
"""

from collections.abc import Sequence
from typing import assert_never

from taskqueue.rules.tasks import (
    AttemptOutcome,
    Cancel,
    Cancelled,
    Complete,
    Conflicted,
    Crashed,
    DeadLetter,
    Failed,
    Interrupted,
    NotApplied,
    Outcome,
    Postpone,
    Rejected,
    Release,
    Requeue,
    Settlement,
    Snoozed,
    Succeeded,
    Task,
    TimedOut,
)
from taskqueue.structs import Struct

# How long a task waits at least whose transaction conflicted: at first, and after many deliveries.
CONFLICT_S = 0.05
MAX_CONFLICT_S = 2.0


class RetryPolicy(Struct):
    """How failures are answered. The defaults are the documented ones."""

    initial_s: float = 1.0
    factor: float = 2.0
    max_s: float = 600.0
    jitter: float = 0.1  # at most this share of the delay is added
    max_crashes: int = 3
    max_deliveries: int = 20


USUAL = RetryPolicy()


def backoff_s(attempt: int, policy: RetryPolicy, *, jitter: float) -> float:
    """Return how long a task waits after its failed `attempt` (1, 2, …), in seconds.

    Grows by `policy.factor` with each attempt up to `policy.max_s`. `jitter` in [0, 1) adds up to
    `policy.jitter` of that, so that tasks which failed together do not come back together; the
    caller draws it, so this stays pure.

    >>> [backoff_s(n, RetryPolicy(), jitter=0.0) for n in (1, 2, 3, 50)]
    [1.0, 2.0, 4.0, 600.0]
    """
    try:
        delay_s = min(policy.max_s, policy.initial_s * float(policy.factor) ** (attempt - 1))
    except OverflowError:  # a float overflows long before an attempt count does
        delay_s = policy.max_s
    return delay_s * (1.0 + policy.jitter * jitter)


def conflict_s(deliveries: int, *, jitter: float) -> float:
    """Return how long a task waits whose transaction conflicted, after so many deliveries.

    Not long, because the transaction that it conflicted with has committed. But of many that change
    the same row one commits at a time, so they spread out more the more often they meet.

    >>> [conflict_s(n, jitter=0.0) for n in (1, 2, 3, 20)]
    [0.05, 0.1, 0.2, 2.0]
    """
    doublings = min(max(deliveries - 1, 0), 16)  # a float overflows long before a count does
    return min(MAX_CONFLICT_S, CONFLICT_S * 2.0**doublings) * (1.0 + jitter)


def outcome_of(refused: NotApplied) -> Outcome:
    """Return what it makes of an attempt that its settlement was not written."""
    match refused.outcome:
        case AttemptOutcome.CONFLICTED:
            return Conflicted(error=refused.error)
        case AttemptOutcome.CRASHED:
            return Crashed(error=refused.error)
        case _:
            return Failed(error=refused.error)


def settlement(
    task: Task, outcome: Outcome, policy: RetryPolicy, *, now: float, jitter: float
) -> Settlement:
    """Return what is written for `outcome` of the task's current attempt.

    `task.attempt` counts the attempt being settled, `task.crashes` the crashes before it.
    """
    match outcome:
        case Succeeded(result=result, follow_ups=follow_ups):
            return Complete(result=result, follow_ups=follow_ups, statements=outcome.statements)
        case Interrupted(holder_died=holder_died):  # not the task's fault: its attempt comes back
            return Release(delivery_counts=holder_died)
        case Conflicted(error=error) if task.deliveries < policy.max_deliveries:
            delay_s = conflict_s(task.deliveries, jitter=jitter)
            return Postpone(run_at=now + delay_s, outcome=AttemptOutcome.CONFLICTED, error=error)
        case Conflicted(error=error):  # it may conflict with itself, as `random()` does
            failure = _Failure(AttemptOutcome.CONFLICTED, error)
        case Snoozed(delay_s=delay_s):
            return Postpone(run_at=now + delay_s)
        case Cancelled(reason=reason):
            return Cancel(reason=reason)
        case Rejected(reason=reason, traceback=traceback):
            return DeadLetter(
                reason=reason,
                outcome=AttemptOutcome.REJECTED,
                error=reason,
                traceback=traceback,
            )
        case Failed(error=error, traceback=traceback, retry_in_s=retry_in_s):
            failure = _Failure(AttemptOutcome.FAILED, error, traceback, retry_in_s)
        case TimedOut(after_s=after_s):
            failure = _Failure(AttemptOutcome.TIMED_OUT, f"timed out after {after_s:g} s")
        case Crashed(error=error, traceback=traceback):
            if task.crashes + 1 >= policy.max_crashes:
                return DeadLetter(
                    reason=_poison(task.crashes + 1, error),
                    outcome=AttemptOutcome.CRASHED,
                    error=error,
                    traceback=traceback,
                )
            failure = _Failure(AttemptOutcome.CRASHED, error, traceback)
        case never:
            assert_never(never)
    return _retry_or_bury(task, failure, policy, now=now, jitter=jitter)


class _Failure:
    """A used attempt, ready to be retried or buried."""

    def __init__(
        self,
        outcome: AttemptOutcome,
        error: str,
        traceback: str | None = None,
        retry_in_s: float | None = None,
    ) -> None:
        self.outcome = outcome
        self.error = error
        self.traceback = traceback
        self.retry_in_s = retry_in_s


def _retry_or_bury(
    task: Task, failure: _Failure, policy: RetryPolicy, *, now: float, jitter: float
) -> Requeue | DeadLetter:
    if task.attempt >= task.max_attempts:
        return DeadLetter(
            reason=_all_failed(task.max_attempts, failure.error),
            outcome=failure.outcome,
            error=failure.error,
            traceback=failure.traceback,
        )
    delay_s = failure.retry_in_s
    if delay_s is None:
        delay_s = backoff_s(task.attempt, policy, jitter=jitter)
    return Requeue(
        run_at=now + delay_s,
        outcome=failure.outcome,
        error=failure.error,
        traceback=failure.traceback,
    )


def _all_failed(attempts: int, error: str) -> str:
    if attempts == 1:
        return f"the only attempt failed: {error}"
    return f"all {attempts} attempts failed; last: {error}"


def _poison(crashes: int, error: str) -> str:
    if crashes == 1:
        return f"poison: crashed once: {error}"
    return f"poison: crashed {crashes} times; last: {error}"


def abandoned(task: Task, *, started: bool, policy: RetryPolicy) -> Outcome:
    """Return what happened to a delivery whose holder is gone.

    A started attempt died with its holder and counts. A merely buffered one never ran: it gets its
    attempt back, unless it has been delivered so often that it must be what kills the process
    before its start can be written. One that has ever started, and was snoozed since, is not that.
    """
    if started:
        return Crashed(error="the service ended during this attempt")
    if task.started_at is None and task.deliveries > policy.max_deliveries:
        return Rejected(reason=f"delivered {task.deliveries} times without ever starting")
    return Interrupted(holder_died=True)


def ready_at(task: Task, settlement: Settlement) -> Sequence[tuple[str, float]]:
    """Return the queues in which a settlement makes tasks ready, and when; 0: at once."""
    match settlement:
        case Complete(follow_ups=follow_ups):
            return [(each.queue, each.run_at or 0.0) for each in follow_ups] if follow_ups else ()
        case Requeue(run_at=run_at) | Postpone(run_at=run_at):
            return [(task.queue, run_at)]
        case Release():
            return [(task.queue, 0.0)]
        case _:
            return ()
