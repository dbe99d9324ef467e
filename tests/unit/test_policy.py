"""What is written for what happened."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskqueue.rules import policy
from taskqueue.rules.policy import (
    CONFLICT_S,
    MAX_CONFLICT_S,
    RetryPolicy,
    abandoned,
    backoff_s,
    settlement,
)
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
    NewTask,
    Outcome,
    Postpone,
    Rejected,
    Release,
    Requeue,
    Settlement,
    Snoozed,
    Statement,
    Status,
    Succeeded,
    Task,
    TimedOut,
)

NOW = 1_000.0
POLICY = RetryPolicy()
STATEMENT = Statement(sql="DELETE FROM mine")
FOLLOW_UP = NewTask(id="b", action="mail", payload="{}")

SECONDS = st.floats(min_value=0, max_value=1e9)
JITTER = st.floats(min_value=0, max_value=1, exclude_max=True)
POLICIES = st.builds(
    RetryPolicy,
    initial_s=st.floats(min_value=0.001, max_value=1e6),
    factor=st.floats(min_value=1, max_value=1e12) | st.integers(min_value=1, max_value=10**12),
    max_s=st.floats(min_value=0.001, max_value=1e9),
    jitter=st.floats(min_value=0, max_value=1),
    max_crashes=st.integers(min_value=1, max_value=5),
)
OUTCOMES: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Succeeded, result=st.just("null")),
    st.builds(Failed, error=st.text(), retry_in_s=st.none() | SECONDS),
    st.builds(TimedOut, after_s=SECONDS),
    st.builds(Snoozed, delay_s=SECONDS),
    st.builds(Rejected, reason=st.text()),
    st.builds(Cancelled, reason=st.text()),
    st.builds(Crashed, error=st.text()),
    st.builds(Interrupted, holder_died=st.booleans()),
    st.builds(Conflicted, error=st.text()),
)


def a_task(
    attempt: int = 1,
    max_attempts: int = 5,
    crashes: int = 0,
    deliveries: int = 1,
    started_at: float | None = 0.0,
) -> Task:
    return Task(
        id="a",
        action="resize",
        payload="{}",
        queue="default",
        priority=0,
        status=Status.RUNNING,
        attempt=attempt,
        max_attempts=max_attempts,
        crashes=crashes,
        deliveries=deliveries,
        run_at=0.0,
        created_at=0.0,
        started_at=started_at,
        processed_at=None,
        result=None,
        reason=None,
    )


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    max_attempts = draw(st.integers(min_value=1, max_value=100))
    attempt = draw(st.integers(min_value=1, max_value=max_attempts))
    return a_task(attempt, max_attempts, crashes=draw(st.integers(0, attempt - 1)))


@pytest.mark.parametrize(
    ("task", "outcome", "written"),
    [
        (
            a_task(),
            Succeeded(result="1", follow_ups=(FOLLOW_UP,), statements=(STATEMENT,)),
            Complete(result="1", follow_ups=(FOLLOW_UP,), statements=(STATEMENT,)),
        ),
        (a_task(), Interrupted(holder_died=True), Release(delivery_counts=True)),
        (
            a_task(attempt=5, deliveries=20),
            Conflicted(error="read otherwise"),
            DeadLetter(
                reason="all 5 attempts failed; last: read otherwise",
                outcome=AttemptOutcome.CONFLICTED,
                error="read otherwise",
            ),
        ),
        (
            a_task(attempt=5),
            Conflicted(error="read otherwise"),
            Postpone(
                run_at=NOW + CONFLICT_S,
                outcome=AttemptOutcome.CONFLICTED,
                error="read otherwise",
            ),
        ),
        (
            a_task(deliveries=4),
            Conflicted(error="again"),
            Postpone(run_at=NOW + 8 * CONFLICT_S, outcome=AttemptOutcome.CONFLICTED, error="again"),
        ),
        (
            a_task(deliveries=19),
            Conflicted(error="and again"),
            Postpone(
                run_at=NOW + MAX_CONFLICT_S, outcome=AttemptOutcome.CONFLICTED, error="and again"
            ),
        ),
        (a_task(), Interrupted(), Release()),
        (a_task(attempt=5), Interrupted(), Release()),
        (a_task(attempt=5), Snoozed(delay_s=3.0), Postpone(run_at=NOW + 3.0)),
        (a_task(), Cancelled(reason="gone"), Cancel(reason="gone")),
        (
            a_task(),
            Rejected(reason="no such user", traceback="T"),
            DeadLetter(
                reason="no such user",
                outcome=AttemptOutcome.REJECTED,
                error="no such user",
                traceback="T",
            ),
        ),
        (
            a_task(attempt=3),
            Failed(error="E", traceback="T"),
            Requeue(run_at=NOW + 4.0, outcome=AttemptOutcome.FAILED, error="E", traceback="T"),
        ),
        (
            a_task(attempt=3),
            Failed(error="E", retry_in_s=0.0),
            Requeue(run_at=NOW, outcome=AttemptOutcome.FAILED, error="E"),
        ),
        (
            a_task(attempt=5),
            Failed(error="E", traceback="T", retry_in_s=1.0),
            DeadLetter(
                reason="all 5 attempts failed; last: E",
                outcome=AttemptOutcome.FAILED,
                error="E",
                traceback="T",
            ),
        ),
        (
            a_task(),
            TimedOut(after_s=2.5),
            Requeue(
                run_at=NOW + 1.0,
                outcome=AttemptOutcome.TIMED_OUT,
                error="timed out after 2.5 s",
            ),
        ),
        (
            a_task(crashes=1),
            Crashed(error="SIGSEGV"),
            Requeue(run_at=NOW + 1.0, outcome=AttemptOutcome.CRASHED, error="SIGSEGV"),
        ),
        (
            a_task(crashes=2),
            Crashed(error="SIGSEGV", traceback="T"),
            DeadLetter(
                reason="poison: crashed 3 times; last: SIGSEGV",
                outcome=AttemptOutcome.CRASHED,
                error="SIGSEGV",
                traceback="T",
            ),
        ),
        (
            a_task(attempt=1, max_attempts=1),
            Crashed(error="SIGSEGV"),
            DeadLetter(
                reason="the only attempt failed: SIGSEGV",
                outcome=AttemptOutcome.CRASHED,
                error="SIGSEGV",
            ),
        ),
    ],
)
def test_each_outcome_has_its_settlement(task: Task, outcome: Outcome, written: Settlement) -> None:
    assert settlement(task, outcome, POLICY, now=NOW, jitter=0.0) == written


@given(tasks(), OUTCOMES, POLICIES, JITTER)
def test_a_settlement_never_lies_in_the_past(
    task: Task, outcome: Outcome, policy: RetryPolicy, jitter: float
) -> None:
    written = settlement(task, outcome, policy, now=NOW, jitter=jitter)

    if isinstance(written, Requeue | Postpone):
        assert written.run_at >= NOW


@given(tasks(), OUTCOMES, POLICIES, JITTER)
def test_a_task_is_requeued_only_while_it_has_attempts_left(
    task: Task, outcome: Outcome, policy: RetryPolicy, jitter: float
) -> None:
    written = settlement(task, outcome, policy, now=NOW, jitter=jitter)

    if isinstance(written, Requeue):
        assert task.attempt < task.max_attempts
    if isinstance(written, DeadLetter) and isinstance(outcome, Failed | TimedOut):
        assert task.attempt == task.max_attempts


@given(st.integers(min_value=1, max_value=20), POLICIES)
def test_a_task_that_always_fails_dies_after_exactly_its_attempts(
    max_attempts: int, policy: RetryPolicy
) -> None:
    attempt = 1
    while isinstance(
        settlement(a_task(attempt, max_attempts), Failed(error="E"), policy, now=NOW, jitter=0.5),
        Requeue,
    ):
        attempt += 1

    assert attempt == max_attempts


@given(st.integers(min_value=1, max_value=10**9), POLICIES, JITTER)
def test_a_backoff_is_bounded(attempt: int, policy: RetryPolicy, jitter: float) -> None:
    delay_s = backoff_s(attempt, policy, jitter=jitter)

    assert min(policy.initial_s, policy.max_s) <= delay_s <= policy.max_s * (1 + policy.jitter)


@given(st.integers(min_value=1, max_value=10**9), POLICIES, JITTER)
def test_a_backoff_never_shrinks_with_the_attempts(
    attempt: int, policy: RetryPolicy, jitter: float
) -> None:
    assert backoff_s(attempt, policy, jitter=jitter) <= backoff_s(
        attempt + 1, policy, jitter=jitter
    )


@given(st.integers(min_value=1, max_value=100), POLICIES, JITTER)
def test_jitter_only_ever_adds(attempt: int, policy: RetryPolicy, jitter: float) -> None:
    plain_s = backoff_s(attempt, policy, jitter=0.0)

    assert plain_s <= backoff_s(attempt, policy, jitter=jitter) <= plain_s * (1 + policy.jitter)


def test_a_started_delivery_whose_holder_is_gone_crashed() -> None:
    outcome = abandoned(a_task(deliveries=1), started=True, policy=POLICY)

    assert outcome == Crashed(error="the service ended during this attempt")


@pytest.mark.parametrize("deliveries", [1, 20])
def test_a_buffered_delivery_whose_holder_is_gone_is_handed_back(deliveries: int) -> None:
    outcome = abandoned(a_task(deliveries=deliveries), started=False, policy=POLICY)

    assert outcome == Interrupted(holder_died=True)


def test_a_task_that_is_delivered_again_and_again_without_starting_is_buried() -> None:
    task = a_task(deliveries=21, started_at=None)

    outcome = abandoned(task, started=False, policy=POLICY)

    assert outcome == Rejected(reason="delivered 21 times without ever starting")


def test_a_task_that_was_snoozed_often_may_be_delivered_once_more() -> None:
    task = a_task(deliveries=21, started_at=0.0)

    outcome = abandoned(task, started=False, policy=POLICY)

    assert outcome == Interrupted(holder_died=True)


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(policy)

    assert result.attempted > 0
    assert result.failed == 0
