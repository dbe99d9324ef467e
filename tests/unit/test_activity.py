"""The last minutes of a queue: counted in buckets, and honest about since when."""

import doctest
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from taskqueue.rules import durations
from taskqueue.rules.activity import BUCKET_S, BUCKETS, MINUTES, MOST_QUEUES, Activity, Recent

BEGAN = 1_003.0
LATER = BEGAN + 3_600.0


def counting(began: float = BEGAN) -> Activity:
    activity = Activity()
    activity.begin(began)
    return activity


def end(
    activity: Activity,
    now: float,
    *,
    queue: str = "mail",
    waited_s: float | None = 0.5,
    ran_s: float | None = 0.1,
    failed: bool = False,
) -> None:
    activity.ended(queue, now, waited_s=waited_s, ran_s=ran_s, completed=not failed, failed=failed)


def rates(recent: Sequence[Recent]) -> list[tuple[float, float]]:
    return [(each.completed_per_min, each.failed_per_min) for each in recent]


def test_each_window_has_its_rates_per_minute() -> None:
    activity = counting()
    for minutes_ago, failed in ((0.0, False), (0.5, True), (3.0, False), (10.0, False)):
        for _ in range(6):
            end(activity, LATER - 60 * minutes_ago, failed=failed)

    recent = activity.recent("mail", LATER)

    assert [each.minutes for each in recent] == [*MINUTES]
    # At LATER, 3 s into a bucket: 53 s, 293 s and 893 s are counted.
    assert [each.counted_s for each in recent] == [53.0, 293.0, 893.0]
    assert rates(recent) == [
        (round(6 * 60 / 53, 2), round(6 * 60 / 53, 2)),
        (round(12 * 60 / 293, 2), round(6 * 60 / 293, 2)),
        (round(18 * 60 / 893, 2), round(6 * 60 / 893, 2)),
    ]


def test_a_service_counts_since_its_start_and_says_so() -> None:
    activity = counting()
    activity.begin(BEGAN + 20)  # the queue actor was restarted: nothing begins anew
    for _ in range(4):
        end(activity, BEGAN + 30)

    recent = activity.recent("mail", BEGAN + 40)

    assert [each.counted_s for each in recent] == [40.0] * 3
    assert rates(recent) == [(6.0, 0.0)] * 3


def test_the_first_tasks_of_a_service_are_not_a_rate_of_thousands() -> None:
    activity = counting()
    end(activity, BEGAN + 0.001)

    [last_minute, *_] = activity.recent("mail", BEGAN + 0.002)

    assert last_minute.counted_s == 0.002
    assert last_minute.completed_per_min == 60 / BUCKET_S


@pytest.mark.parametrize("queue", ["mail", "unknown"])
def test_a_queue_that_did_nothing_has_no_waits(queue: str) -> None:
    activity = counting()
    end(activity, BEGAN)

    recent = activity.recent(queue, LATER)

    assert rates(recent) == [(0.0, 0.0)] * 3
    assert [each.wait_s for each in recent] == [None] * 3


def test_an_attempt_that_never_began_has_waited_for_nothing() -> None:
    activity = counting()
    end(activity, LATER, waited_s=None, ran_s=None, failed=True)

    [last_minute, *_] = activity.recent("mail", LATER)

    assert (last_minute.wait_s, last_minute.run_s) == (None, None)
    assert last_minute.failed_per_min > 0


def test_how_long_attempts_ran_is_told_beside_how_long_they_waited() -> None:
    activity = counting()
    end(activity, LATER, waited_s=0.5, ran_s=4.0)

    [last_minute, *_] = activity.recent("mail", LATER)

    assert last_minute.wait_s == durations.Durations(p50=0.5, p95=0.5, max=0.5)
    assert last_minute.run_s == durations.Durations(p50=4.0, p95=4.0, max=4.0)


def test_the_service_counts_the_attempts_of_all_queues_also_of_those_that_are_too_many() -> None:
    activity = counting()
    for number in range(MOST_QUEUES + 1):
        end(activity, LATER, queue=f"q{number}", ran_s=float(number), failed=number == 0)

    [bucket] = activity.service.recent(1, now=LATER, at=LATER).buckets

    assert (bucket.completed, bucket.failed) == (MOST_QUEUES, 1)
    assert bucket.wait_s == durations.Durations(p50=0.5, p95=0.5, max=0.5)
    assert bucket.run_s is not None
    assert bucket.run_s.max == MOST_QUEUES


def test_a_clock_that_was_set_back_makes_no_negative_wait() -> None:
    activity = counting()
    end(activity, LATER, waited_s=-5.0)

    [last_minute, *_] = activity.recent("mail", LATER)

    assert last_minute.wait_s == durations.Durations(p50=0.0, p95=0.0, max=0.0)


@given(st.lists(st.floats(min_value=0.0, max_value=90_000.0), min_size=1, max_size=50))
def test_waits_are_right_within_an_eighth(waits: list[float]) -> None:
    activity = counting()
    for wait_s in waits:
        end(activity, LATER, waited_s=wait_s)

    [found, *_] = [each.wait_s for each in activity.recent("mail", LATER)]

    assert found is not None
    in_order = sorted(waits)
    assert found.max == round(in_order[-1], 6)
    for share, shown in ((0.50, found.p50), (0.95, found.p95)):
        exact = in_order[max(0, -int(-share * len(waits) // 1) - 1)]
        assert shown == pytest.approx(exact, rel=0.13, abs=0.001)
        assert shown <= found.max


@given(
    st.lists(st.floats(min_value=0.0, max_value=2_000.0), max_size=60),
    st.floats(min_value=0.0, max_value=200.0),
)
@example([1999.9999999999998], 50.0)  # just before the window
def test_rates_are_those_of_the_attempts_that_ended_in_the_window(
    ends: list[float], pause_s: float
) -> None:
    activity, now = counting(0.0), (max(ends, default=0.0) + pause_s)
    for at in sorted(ends):
        end(activity, at)

    recent = activity.recent("mail", now)

    for each in recent:
        first = now // BUCKET_S - round(60 * each.minutes / BUCKET_S) + 1
        since = max(0.0, first * BUCKET_S)  # `counted_s` is rounded, so it may say a little earlier
        expected = sum(at >= since for at in ends)
        assert now - each.counted_s == pytest.approx(since, abs=0.001)
        assert each.completed_per_min * max(each.counted_s, BUCKET_S) / 60 == pytest.approx(
            expected, abs=0.16
        )
        assert each.counted_s <= 60 * each.minutes


def test_idle_queues_make_room_for_others() -> None:
    activity = counting()
    for number in range(MOST_QUEUES):
        end(activity, LATER, queue=f"queue {number}")
    end(activity, LATER, queue="one more")
    refused = activity.recent("one more", LATER)

    end(activity, LATER + BUCKETS * BUCKET_S, queue="one more")

    assert refused == ()
    [last_minute, *_] = activity.recent("one more", LATER + BUCKETS * BUCKET_S)
    assert last_minute.completed_per_min > 0
    assert rates(activity.recent("queue 0", LATER + BUCKETS * BUCKET_S)) == [(0.0, 0.0)] * 3


def test_a_queue_keeps_the_buckets_of_its_longest_window_only() -> None:
    activity = counting(0.0)
    for number in range(10 * BUCKETS):
        end(activity, number * BUCKET_S)

    assert len(activity._queues["mail"].buckets) == BUCKETS


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(durations)

    assert result.attempted > 0
    assert result.failed == 0
