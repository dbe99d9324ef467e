"""The schedule of polls: seldom while nothing happens, soon after anything, never given up."""

import asyncio
import math

from taskqueue.actors.queue.fetch_schedule import FetchSchedule
from taskqueue.rules.polling import LONGEST_S, POLL_S
from taskqueue.testing.clock import ManualClock


class Polls:
    """A fetcher that has nothing to do, on a clock that is moved from poll to poll."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.schedule = FetchSchedule(["mail"], self.clock)

    def until_next_s(self, *, may_rest: bool = False) -> float:
        """Move the clock until a poll is due, which finds nothing; return how long that took."""
        began = self.clock.monotonic()
        while not self.schedule.poll_is_due():
            self.clock.advance(POLL_S / 2)
        self.schedule.polled(may_rest=may_rest)
        return self.clock.monotonic() - began

    def quiet(self, polls: int) -> list[float]:
        """Find nothing in so many polls; return how long each was waited for."""
        return [self.until_next_s(may_rest=True) for _ in range(polls)]


def test_polls_that_find_nothing_become_seldom_but_do_not_end() -> None:
    polls = Polls()

    waited = polls.quiet(50)

    assert waited[0] == 0.0
    assert waited[1] <= waited[2] <= waited[3]
    assert waited[4:] == [LONGEST_S] * 46


def test_a_node_that_is_told_of_nothing_polls_on_at_its_pace() -> None:
    polls = Polls()

    assert [polls.until_next_s() for _ in range(20)] == [0.0] + [POLL_S] * 19


def test_after_news_a_poll_comes_soon_and_so_do_the_following() -> None:
    polls = Polls()
    polls.quiet(10)

    polls.schedule.look_again()

    assert polls.schedule.changed.is_set()  # what waits for the poll waits anew
    assert [polls.until_next_s() for _ in range(3)] == [POLL_S] * 3


def test_tasks_to_claim_are_news() -> None:
    polls = Polls()
    polls.quiet(10)

    polls.schedule.expect_work("mail")

    assert polls.schedule.pace.quickened.is_set()
    assert polls.until_next_s() == POLL_S


def test_a_poll_that_is_asked_for_during_another_is_not_put_off() -> None:
    polls = Polls()
    assert polls.schedule.poll_is_due()

    polls.schedule.poll_soon()
    polls.schedule.polled(may_rest=True)  # the other has found nothing

    assert polls.until_next_s() == 0.0


async def test_a_task_is_claimed_when_it_is_due_not_when_a_poll_is() -> None:
    polls = Polls()
    polls.schedule.expect_work("mail", polls.clock.now() + 31.3)
    polls.quiet(17)  # until half a minute has passed
    due_in_s = polls.schedule.hints.in_s()
    polls.schedule.changed.clear()

    waiting = asyncio.create_task(polls.schedule.wait(until=math.inf))
    await asyncio.sleep(0)
    polls.clock.advance(due_in_s)
    await waiting

    assert 0.0 < due_in_s < LONGEST_S
    assert polls.schedule.hints.ready == ("mail",)
