"""The last hour of a service: what is counted where, and what is kept."""

import pytest

from taskqueue.rules.service_activity import (
    MOST_RESTARTS,
    RecentActivity,
    Restart,
    ServiceActivity,
)

AT = 1_800_000_000.0  # of the monotonic instant 0


def counting() -> ServiceActivity:
    activity = ServiceActivity()
    activity.begin(0.0)
    return activity


def ended(activity: ServiceActivity, now: float, *, failed: int = 0) -> None:
    bucket = activity.current(now)
    bucket.completed += 1 - failed
    bucket.failed += failed


def recent(activity: ServiceActivity, now: float, minutes: int = 60) -> RecentActivity:
    return activity.recent(minutes, now=now, at=AT + now)


def restart(at: float) -> Restart:
    return Restart(at=at, supervisor="root", child_id="queue", incarnation=2, reason="killed")


def test_each_ten_seconds_are_counted_for_themselves() -> None:
    activity = counting()
    activity.enqueued(3, 1.0)
    ended(activity, 2.0)
    ended(activity, 9.9, failed=1)
    ended(activity, 10.0)
    activity.enqueued(1, 35.0)

    found = recent(activity, 36.0)

    assert (found.since, found.until, found.bucket_s) == (AT, AT + 36.0, 10.0)
    assert [
        (each.at - AT, each.enqueued, each.completed, each.failed) for each in found.buckets
    ] == [
        (0.0, 3, 1, 1),
        (10.0, 0, 1, 0),
        (30.0, 1, 0, 0),
    ]


@pytest.mark.parametrize(("minutes", "buckets"), [(1, 6), (2, 12), (60, 360)])
def test_of_a_longer_time_the_last_minutes_are_told(minutes: int, buckets: int) -> None:
    activity = counting()
    for second in range(0, 8_000, 10):
        activity.enqueued(1, float(second))

    found = recent(activity, 7_999.0, minutes)

    assert len(found.buckets) == buckets
    assert found.buckets[-1].at == AT + 7_990.0
    assert found.since == found.buckets[0].at


def test_nothing_is_told_of_the_time_before_the_start() -> None:
    activity = ServiceActivity()
    activity.begin(1_234.5)

    found = recent(activity, 1_300.0)

    assert (found.since, found.buckets) == (AT + 1_234.5, ())


def test_an_idle_hour_is_empty() -> None:
    activity = counting()
    ended(activity, 1.0)

    assert recent(activity, 3_601.0).buckets == ()


def test_a_clock_that_was_set_moves_what_is_told_as_a_whole() -> None:
    activity = counting()
    ended(activity, 1.0)

    moved = activity.recent(60, now=5.0, at=AT + 100.0)

    assert (moved.buckets[0].at, moved.until) == (AT + 95.0, AT + 100.0)


def test_the_restarts_of_the_time_asked_for_are_told() -> None:
    activity = counting()
    restarts = [restart(AT + at) for at in (10.0, 100.0, 110.0)]
    for each in restarts:
        activity.restarted(each)

    assert recent(activity, 120.0).restarts == tuple(restarts)
    assert recent(activity, 120.0, minutes=1).restarts == tuple(restarts[1:])


def test_the_latest_restarts_are_kept() -> None:
    activity = counting()
    for second in range(MOST_RESTARTS + 5):
        activity.restarted(restart(AT + second))

    kept = recent(activity, 1_000.0).restarts

    assert (len(kept), kept[0].at) == (MOST_RESTARTS, AT + 5)
