"""What is due of a schedule: the policies for missed slots, and the boundary."""

from typing import Any

import pytest

from taskqueue.rules.schedules import changes
from taskqueue.rules.schedules.deciding import BATCH, DueSlot, due, next_of, resolve, with_slot
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Passed, Plan, Schedule
from taskqueue.rules.schedules.words import Missed, Origin, Overlap, SlotOutcome

HOUR_S = 3600.0
HALF_A_DAY_S = 12 * HOUR_S


def schedule(*, now: float = 0.0, every_s: int = 3600, **plan: Any) -> Schedule:
    """Return a schedule that was created at `now`."""
    plan = {"action": "echo", "timing": Timing(every_s=every_s), **plan}
    return changes.put(None, Declared(name="s", plan=Plan(**plan), origin=Origin.CODE), now=now)


def steps(of: Schedule, now: float) -> tuple[list[float], int]:
    """Return the slots that are to run, and how many were missed."""
    found = [*due(of, now=now)]
    ran = [step.slot for step in found if isinstance(step, DueSlot)]
    return ran, sum(step.slots for step in found if isinstance(step, Passed))


@pytest.mark.parametrize(
    ("plan", "ran", "missed"),
    [
        ({}, [12], 11),
        ({"missed": Missed.ALL}, range(1, 13), 0),
        ({"missed": Missed.SKIP}, [], 12),
        ({"missed": Missed.SKIP, "within_s": 2 * HOUR_S}, [11, 12], 10),
        ({"missed": Missed.ALL, "within_s": 2 * HOUR_S}, [11, 12], 10),
        ({"missed": Missed.LATEST, "within_s": 600.0}, [], 12),
        ({"missed": Missed.LATEST, "within_s": 1800.0}, [12], 11),
    ],
)
def test_twelve_hours_asleep(plan: dict[str, Any], ran: list[int], missed: int) -> None:
    awake = HALF_A_DAY_S + 900.0

    assert steps(schedule(**plan), awake) == ([hour * HOUR_S for hour in ran], missed)


@pytest.mark.parametrize("missed", Missed)
def test_on_time_every_policy_runs_each_slot(missed: Missed) -> None:
    assert steps(schedule(missed=missed), HOUR_S + 0.2) == ([HOUR_S], 0)
    assert steps(schedule(missed=missed), HOUR_S - 0.2) == ([], 0)


def test_a_long_outage_is_neither_counted_to_its_end_nor_run_at_once() -> None:
    often = schedule(every_s=1)

    [passed, latest] = due(often, now=10_000_000.0)
    batch = [*due(schedule(every_s=1, missed=Missed.ALL), now=10_000_000.0)]

    assert isinstance(passed, Passed)
    assert (passed.slots, passed.first, passed.last) == (1000, 1.0, 9_999_999.0)
    assert latest == DueSlot(slot=10_000_000.0)
    assert len(batch) == BATCH


def test_no_slot_up_to_the_boundary_is_due() -> None:
    created = schedule(now=HOUR_S)

    paused = changes.paused(created, None, now=1.5 * HOUR_S)
    resumed = changes.resumed(paused, now=4.5 * HOUR_S)

    assert next_of(created) == 2 * HOUR_S
    assert next_of(paused) is None
    assert steps(resumed, 4.9 * HOUR_S) == ([], 0)
    assert next_of(resumed) == 5 * HOUR_S


def test_what_overlaps() -> None:
    found = {overlap: resolve(overlap, ["a", "b"], 0) for overlap in Overlap}

    assert {overlap: each.outcome for overlap, each in found.items()} == {
        Overlap.SKIP: SlotOutcome.SKIPPED,
        Overlap.QUEUE: SlotOutcome.WAITING,
        Overlap.ALLOW: SlotOutcome.FIRED,
        Overlap.CANCEL: SlotOutcome.FIRED,
    }
    assert found[Overlap.SKIP].reason == "the previous run has not ended (task b)"
    assert found[Overlap.CANCEL].cancel == ("a", "b")
    assert {resolve(overlap, [], 0).outcome for overlap in Overlap} == {SlotOutcome.FIRED}
    assert resolve(Overlap.QUEUE, [], 1000).outcome is SlotOutcome.SKIPPED


def test_the_slot_is_filled_into_texts_alone() -> None:
    data = '{"day":"{slot}","path":"reports/{slot}.csv","n":{"x":"{other}"}}'

    assert with_slot(data, 0.0) == (
        '{"day":"1970-01-01T00:00:00Z","path":"reports/1970-01-01T00:00:00Z.csv",'
        '"n":{"x":"{other}"}}'
    )
