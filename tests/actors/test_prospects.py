"""Prospects: which queues have tasks to claim."""

import math

from taskqueue.actors.queue.hints import Prospects
from taskqueue.testing.clock import ManualClock

QUEUES = ("default", "mail")


def test_after_a_claim_only_who_comes_is_expected() -> None:
    prospects = Prospects(QUEUES, ManualClock())
    assert (prospects.ready, prospects.in_s()) == ((), math.inf)

    assert prospects.expect("mail")
    assert prospects.ready == ("mail",)


def test_a_queue_that_is_not_served_is_none_of_ours() -> None:
    prospects = Prospects(QUEUES, ManualClock())

    assert not prospects.expect("other")
    assert prospects.ready == ()


def test_of_several_instants_the_first_counts_and_is_told_as_news() -> None:
    clock = ManualClock()
    prospects = Prospects(QUEUES, clock)
    now = clock.now()

    told = [prospects.expect("mail", now + in_s) for in_s in (9.0, 4.0, 6.0)]

    assert told == [True, True, False]
    assert prospects.in_s() == 4.0
    clock.advance(4.0)
    assert (prospects.ready, prospects.in_s()) == (("mail",), math.inf)


def test_a_claim_tells_when_the_next_instant_is_not_known_any_more() -> None:
    clock = ManualClock()
    prospects = Prospects(QUEUES, clock)
    prospects.expect("mail", clock.now() + 4.0)

    assert not prospects.begin_claim("mail")
    assert prospects.in_s() == 4.0
    clock.advance(4.0)
    assert prospects.begin_claim("mail")
    assert prospects.ready == ()


def test_what_is_forgotten_is_not_expected() -> None:
    clock = ManualClock()
    prospects = Prospects(QUEUES, clock)
    prospects.expect("default")
    prospects.expect("mail", clock.now() + 4.0)

    prospects.forget()

    assert (prospects.ready, prospects.in_s()) == ((), math.inf)
