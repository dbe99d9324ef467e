"""ReadyHints: which queues have tasks to claim."""

import math

from taskqueue.actors.queue.hints import ReadyHints
from taskqueue.testing.clock import ManualClock

QUEUES = ("default", "mail")


def test_after_a_claim_only_who_comes_is_expected() -> None:
    hints = ReadyHints(QUEUES, ManualClock())
    assert (hints.ready, hints.in_s()) == ((), math.inf)

    assert hints.expect("mail")
    assert hints.ready == ("mail",)


def test_a_queue_that_is_not_served_is_none_of_ours() -> None:
    hints = ReadyHints(QUEUES, ManualClock())

    assert not hints.expect("other")
    assert hints.ready == ()


def test_of_several_instants_the_first_counts_and_is_told_as_news() -> None:
    clock = ManualClock()
    hints = ReadyHints(QUEUES, clock)
    now = clock.now()

    told = [hints.expect("mail", now + in_s) for in_s in (9.0, 4.0, 6.0)]

    assert told == [True, True, False]
    assert hints.in_s() == 4.0
    clock.advance(4.0)
    assert (hints.ready, hints.in_s()) == (("mail",), math.inf)


def test_a_claim_tells_when_the_next_instant_is_not_known_any_more() -> None:
    clock = ManualClock()
    hints = ReadyHints(QUEUES, clock)
    hints.expect("mail", clock.now() + 4.0)

    assert not hints.begin_claim("mail")
    assert hints.in_s() == 4.0
    clock.advance(4.0)
    assert hints.begin_claim("mail")
    assert hints.ready == ()


def test_what_is_forgotten_is_not_expected() -> None:
    clock = ManualClock()
    hints = ReadyHints(QUEUES, clock)
    hints.expect("default")
    hints.expect("mail", clock.now() + 4.0)

    hints.forget()

    assert (hints.ready, hints.in_s()) == ((), math.inf)


def test_the_queue_that_was_served_longest_ago_is_first() -> None:
    hints = ReadyHints(QUEUES, ManualClock())

    def ready() -> tuple[str, ...]:
        for queue in QUEUES:
            hints.expect(queue)
        return hints.ready

    assert ready() == ("default", "mail")
    hints.served("default")
    assert ready() == ("mail", "default")
    hints.served("mail")
    assert ready() == ("default", "mail")
