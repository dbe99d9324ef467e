"""Prospects: which queues have tasks to claim."""

import math

from taskqueue.actors.prospects import Prospects
from taskqueue.testing.clock import ManualClock

QUEUES = ("default", "mail")


def claimed_once(clock: ManualClock) -> Prospects:
    """Return prospects of queues that were found empty."""
    prospects = Prospects(QUEUES, clock)
    for queue in QUEUES:
        prospects.begin_claim(queue)
    return prospects


def test_what_was_never_looked_at_may_have_tasks() -> None:
    assert Prospects(QUEUES, ManualClock()).ready == QUEUES


def test_after_a_claim_only_who_comes_is_expected() -> None:
    prospects = claimed_once(ManualClock())
    assert (prospects.ready, prospects.in_s()) == ((), math.inf)

    assert prospects.expect("mail")
    assert prospects.ready == ("mail",)


def test_a_queue_that_is_not_served_is_none_of_ours() -> None:
    prospects = claimed_once(ManualClock())

    assert not prospects.expect("other")
    assert prospects.ready == ()


def test_of_several_instants_the_first_counts_and_is_told_as_news() -> None:
    clock = ManualClock()
    prospects = claimed_once(clock)
    now = clock.now()

    told = [prospects.expect("mail", now + in_s) for in_s in (9.0, 4.0, 6.0)]

    assert told == [True, True, False]
    assert prospects.in_s() == 4.0
    clock.advance(4.0)
    assert (prospects.ready, prospects.in_s()) == (("mail",), math.inf)


def test_a_claim_tells_when_the_next_instant_is_not_known_any_more() -> None:
    clock = ManualClock()
    prospects = claimed_once(clock)
    prospects.expect("mail", clock.now() + 4.0)

    assert not prospects.begin_claim("mail")
    assert prospects.in_s() == 4.0
    clock.advance(4.0)
    assert prospects.begin_claim("mail")
    assert prospects.ready == ()


def test_all_queues_may_have_tasks_again() -> None:
    prospects = claimed_once(ManualClock())

    prospects.expect_everywhere()

    assert prospects.ready == QUEUES
