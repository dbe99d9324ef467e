"""When the next attempts are due: exactly, or between two instants."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from taskqueue import App, Retries
from taskqueue.api.forecast import retries_of
from taskqueue.rules.forecast import NextAttempt, next_attempts
from taskqueue.rules.policy import USUAL, RetryPolicy, settlement
from taskqueue.rules.tasks import Failed, Requeue, Status, Task
from taskqueue.testing.claims import claimed

NOW = 1_000.0


def retrying(app: App, *, attempt: int = 1, run_at: float = NOW, max_attempts: int = 9) -> Task:
    task = claimed(app.prepare("charge"), attempt=attempt)
    return replace(task, status=Status.RETRYING, run_at=run_at, max_attempts=max_attempts)


def an_app(retries: Retries | None = None) -> App:
    app = App()

    @app.task("charge", retries=retries or Retries())
    async def charge() -> None: ...

    return app


def bounds(attempts: tuple[NextAttempt, ...]) -> list[tuple[int, float, float]]:
    return [(a.attempt, a.earliest_at - NOW, a.latest_at - NOW) for a in attempts]


@pytest.mark.parametrize(
    ("rule", "attempt", "due_in_s", "expected"),
    [
        (Retries(), 1, 1, [(2, 1, 1), (3, 3, 3.2), (4, 7, 7.6)]),
        (Retries(jitter=0), 3, 4, [(4, 4, 4), (5, 12, 12), (6, 28, 28)]),
        (Retries(jitter=1), 1, 1, [(2, 1, 1), (3, 3, 5), (4, 7, 13)]),
        (
            Retries(initial_s=5, factor=3, max_s=20, jitter=0),
            1,
            5,
            [(2, 5, 5), (3, 20, 20), (4, 40, 40)],
        ),
        (Retries(), 7, 64, [(8, 64, 64), (9, 192, 204.8)]),
        (Retries(), 8, 128, [(9, 128, 128)]),
        (Retries(wait_s=lambda error, attempt: 5.0), 1, 5, [(2, 5, 5)]),
        (Retries(jitter=0), 1, -50, [(2, -50, -50), (3, 2, 2), (4, 6, 6)]),
    ],
)
def test_the_first_is_exact_and_the_others_lie_within_the_jitter(
    rule: Retries, attempt: int, due_in_s: float, expected: list[tuple[int, float, float]]
) -> None:
    app = an_app(rule)
    task = retrying(app, attempt=attempt, run_at=NOW + due_in_s)

    found = bounds(retries_of(app, USUAL, task, now=NOW))

    assert [tuple(map(pytest.approx, each)) for each in expected] == found


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.RETRYING])
def test_only_a_task_that_waits_for_a_retry_has_next_attempts(status: Status) -> None:
    app = an_app()

    assert retries_of(app, USUAL, replace(retrying(app), status=status), now=NOW) == ()


def test_an_action_that_the_app_does_not_know_has_the_usual_rule() -> None:
    task = retrying(an_app())

    assert len(retries_of(App(), USUAL, task, now=NOW)) == 3


@given(draw=st.randoms(use_true_random=False))
def test_what_the_policy_writes_lies_within_what_was_forecast(draw: random.Random) -> None:
    policy = RetryPolicy(
        initial_s=draw.uniform(0.1, 10), factor=draw.uniform(1, 4), jitter=draw.random()
    )
    task = retrying(an_app(), attempt=draw.randint(1, 6), run_at=NOW + draw.uniform(0, 9))

    for forecast in next_attempts(task, policy, now=NOW):
        assert forecast.earliest_at <= task.run_at <= forecast.latest_at
        failing = replace(task, attempt=forecast.attempt)
        written = settlement(
            failing, Failed(error="no"), policy, now=task.run_at, jitter=draw.random()
        )
        if isinstance(written, Requeue):
            task = replace(failing, run_at=written.run_at)
