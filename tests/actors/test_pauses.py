"""How long outages pause: longer each time, and longer still when they come back."""

from taskqueue.actors.pauses import Pauses, Recovery

RECOVERY = Recovery(first_s=1.0, factor=2.0, max_s=3.0, relapse_s=10.0)


def pauses_of(pauses: Pauses, count: int) -> list[float]:
    return [pauses.next_s() for _ in range(count)]


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = Pauses(RECOVERY)
    pauses.begin(at_once=False, now=0.0)

    assert pauses_of(pauses, 4) == [1.0, 2.0, 3.0, 3.0]


def test_a_relapse_goes_on_with_the_pauses_and_another_outage_begins_anew() -> None:
    pauses = Pauses(RECOVERY)
    pauses.begin(at_once=False, now=0.0)
    pauses_of(pauses, 2)
    pauses.end(now=3.0)

    pauses.begin(at_once=False, now=13.0)
    relapse = pauses_of(pauses, 1)
    pauses.end(now=20.0)
    pauses.begin(at_once=False, now=30.1)

    assert relapse == [3.0]
    assert pauses_of(pauses, 2) == [1.0, 2.0]


def test_what_is_lost_is_reopened_without_a_pause_but_not_time_and_again() -> None:
    pauses = Pauses(RECOVERY)
    pauses.begin(at_once=True, now=0.0)
    first = pauses_of(pauses, 2)
    pauses.end(now=1.0)
    pauses.begin(at_once=True, now=2.0)

    assert first == [0.0, 1.0]
    assert pauses_of(pauses, 2) == [2.0, 3.0]
