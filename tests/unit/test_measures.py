"""What is counted: by which queue and action, up to a limit."""

import pytest

from taskqueue.rules.measures import MOST_ACTIONS, OTHER, Histogram, TaskMeasures
from taskqueue.rules.tasks import (
    Acceptance,
    Accepted,
    AttemptOutcome,
    Cancel,
    Complete,
    DeadLetter,
    NewTask,
    Postpone,
    Release,
    Requeue,
    Settled,
    Settlement,
    Status,
    Task,
)

FAILED = AttemptOutcome.FAILED
COUNTS = ("enqueued", "completed", "failed", "dead", "cancelled")


def task(action: str = "send", queue: str = "mail") -> Task:
    return Task(
        id="a",
        action=action,
        payload="{}",
        queue=queue,
        priority=0,
        status=Status.RUNNING,
        created_at=100.0,
        run_at=110.0,
        attempt=1,
        max_attempts=5,
        crashes=0,
        deliveries=1,
        started_at=112.0,
        processed_at=None,
        result=None,
        reason=None,
    )


def counted(measures: TaskMeasures, queue: str = "mail", action: str = "send") -> dict[str, int]:
    found = measures.actions[queue, action]
    return {name: getattr(found, name) for name in COUNTS if getattr(found, name)}


def enqueue(measures: TaskMeasures, queue: str, action: str, acceptance: Acceptance) -> None:
    new = NewTask(id="a", action=action, payload="{}", queue=queue)
    measures.enqueued([new], [Accepted(id="a", acceptance=acceptance)])


@pytest.mark.parametrize(
    ("settlement", "counts"),
    [
        (Complete(result="1"), {"completed": 1}),
        (Requeue(run_at=200.0, error="e", outcome=FAILED), {"failed": 1}),
        (DeadLetter(reason="r", error="e", outcome=FAILED), {"failed": 1, "dead": 1}),
        (Cancel(reason="r"), {"cancelled": 1}),
        (Postpone(run_at=200.0), {}),
        (Release(), {}),
    ],
)
@pytest.mark.parametrize("written", [Settled.WRITTEN, Settled.REPEATED])
def test_an_attempt_counts_as_what_was_written(
    settlement: Settlement, counts: dict[str, int], written: Settled
) -> None:
    measures = TaskMeasures(("mail",), ("send",))

    measures.settled(task(), settlement, written, started_at=112.0, ended_at=115.0)

    assert counted(measures) == counts
    assert measures.actions["mail", "send"].ran.sum == 3.0
    assert measures.queues["mail"].waited.sum == 2.0


def test_a_cancellation_counts_instead_of_what_the_attempt_did() -> None:
    measures = TaskMeasures(("mail",), ("send",))

    measures.settled(
        task(), Complete(result="1"), Settled.CANCELLED, started_at=None, ended_at=115.0
    )
    measures.cancelled("mail", "send")

    assert counted(measures) == {"cancelled": 2}
    assert sum(measures.queues["mail"].waited.counts) == 0


def test_an_attempt_that_lost_its_lease_counts_as_that_alone() -> None:
    measures = TaskMeasures(("mail",), ("send",))

    measures.settled(
        task(), Complete(result="1"), Settled.LEASE_LOST, started_at=112.0, ended_at=115.0
    )

    assert measures.lease_losses == 1
    assert measures.actions == {}


def test_a_task_that_was_there_before_is_not_enqueued_again() -> None:
    measures = TaskMeasures(("mail",), ("send",))

    for acceptance in Acceptance:
        enqueue(measures, "mail", "send", acceptance)

    assert counted(measures) == {"enqueued": 1}


def test_the_answers_of_enqueues_are_counted_by_queue() -> None:
    measures = TaskMeasures(("mail",), ("send",))

    for times, acceptance in enumerate(Acceptance, start=1):
        for _ in range(times):
            enqueue(measures, "mail", "send", acceptance)
    enqueue(measures, "elsewhere", "send", Acceptance.KEPT)

    answers = [measures.queues["mail"].answered(acceptance) for acceptance in Acceptance]
    assert answers == [*range(1, len(Acceptance) + 1)]
    assert measures.queues[OTHER].answered(Acceptance.KEPT) == 1


def test_follow_ups_are_enqueued() -> None:
    measures = TaskMeasures(("mail",), ("send", "report"))
    follow_up = NewTask(id="b", action="report", payload="{}", queue="mail")

    measures.settled(
        task(),
        Complete(result="1", follow_ups=(follow_up,)),
        Settled.WRITTEN,
        started_at=112.0,
        ended_at=115.0,
    )

    assert counted(measures, action="report") == {"enqueued": 1}


@pytest.mark.parametrize(
    ("queue", "action", "shown"),
    [
        ("mail", "unknown", ("mail", OTHER)),
        ("unknown", "send", (OTHER, "send")),
        ("unknown", "unknown", (OTHER, OTHER)),
    ],
)
def test_names_that_the_app_does_not_have_are_counted_together(
    queue: str, action: str, shown: tuple[str, str]
) -> None:
    measures = TaskMeasures(("mail",), ("send",))

    enqueue(measures, queue, action, Acceptance.ACCEPTED)
    measures.claimed(queue, 5.0)

    assert {*measures.actions} == {shown}
    assert measures.queues[shown[0]].claimed_at == 5.0


def test_there_are_so_many_pairs_and_no_more() -> None:
    actions = [f"a{n}" for n in range(2 * MOST_ACTIONS)]
    measures = TaskMeasures(("mail", "default"), actions)

    for queue in ("mail", "default"):
        for action in actions:
            enqueue(measures, queue, action, Acceptance.ACCEPTED)

    assert len(measures.actions) == MOST_ACTIONS + 2
    assert sum(each.enqueued for each in measures.actions.values()) == 4 * MOST_ACTIONS
    assert counted(measures, "default", OTHER) == {"enqueued": 2 * MOST_ACTIONS}


def test_a_value_is_counted_below_the_bound_that_it_equals() -> None:
    histogram = Histogram((1.0, 2.0))

    for value in (-5.0, 0.5, 1.0, 1.5, 9.0):
        histogram.observe(value)

    assert histogram.counts == [3, 1, 1]
    assert histogram.sum == 12.0
