"""The roster: who is on it, and how much of what they run is shown."""

from collections.abc import Callable, Iterator

from taskqueue.actors.consumer.attempts import Workplace
from taskqueue.actors.roster import Roster
from taskqueue.executors.lines import Frames
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.running import NO_STACK, HandlerLine, HandlerStack, RunningAttempt

LINES = tuple(HandlerLine(file="a.py", number=i, function="work") for i in range(3))
STACK = HandlerStack(calls=LINES)


class Scripted(Workplace):
    """A consumer with these attempts, by when they began; those of `silent` have no line."""

    def __init__(self, *began_at: float, silent: bool = False, name: str = "consumer-1") -> None:
        self.consumer = name
        self._began_at = began_at
        self._is_silent = silent

    def running(self) -> Iterator[RunningAttempt]:
        for at in self._began_at:
            yield RunningAttempt(
                task_id=f"of {at:g}",
                action="work",
                queue="default",
                attempt=1,
                consumer=self.consumer,
                executor="loop",
                started_at=at,
                progress=None,
            )

    def log(self, task_id: str) -> RunningLog | None:
        if task_id not in {f"of {at:g}" for at in self._began_at}:
            return None
        return RunningLog(attempt=1, started_at=1.0, log='{"lines":[],"dropped":0}')

    def locate(self, _: RunningAttempt, __: Frames, tell: Callable[[HandlerStack], None]) -> None:
        if not self._is_silent:
            tell(STACK)


async def tasks_of(roster: Roster) -> list[str]:
    return [each.task_id for each in (await roster.running()).attempts]


async def test_a_consumer_is_shown_until_it_leaves() -> None:
    roster = Roster()
    leave = roster.enter(Scripted(1.0))
    present = await tasks_of(roster)

    leave()
    leave()

    assert present == ["of 1"]
    assert await tasks_of(roster) == []


async def test_the_late_end_of_a_consumer_does_not_hide_its_successor() -> None:
    roster = Roster()
    leave = roster.enter(Scripted(1.0))
    roster.enter(Scripted(2.0))

    leave()

    assert await tasks_of(roster) == ["of 2"]


async def test_the_oldest_are_shown_if_there_are_too_many() -> None:
    roster = Roster()
    roster.enter(Scripted(3.0, 1.0, 2.0))

    some, every = await roster.running(most=2), await roster.running(most=3)

    assert [each.task_id for each in some.attempts] == ["of 1", "of 2"]
    assert (some.truncated, every.truncated) == (True, False)


async def test_a_line_that_is_not_told_in_time_is_left_out() -> None:
    roster = Roster()
    roster.enter(Scripted(1.0, silent=True))

    [attempt] = (await roster.running(answer_s=0.01)).attempts

    assert attempt.line is None


async def test_the_stack_of_a_running_task_is_told_and_none_of_another() -> None:
    roster = Roster()
    roster.enter(Scripted(1.0, 2.0))

    running = await roster.stack("of 2")

    assert running is not None
    assert (running.attempt.task_id, running.attempt.line) == ("of 2", LINES[-1])
    assert running.stack == STACK
    assert await roster.stack("of 3") is None


async def test_a_stack_that_is_not_told_in_time_is_empty() -> None:
    roster = Roster()
    roster.enter(Scripted(1.0, silent=True))

    running = await roster.stack("of 1", answer_s=0.01)

    assert running is not None
    assert running.stack == NO_STACK


async def test_the_log_of_a_running_task_is_found_at_its_consumer() -> None:
    roster = Roster()
    roster.enter(Scripted(1.0, name="consumer-1"))
    roster.enter(Scripted(2.0, name="consumer-2"))

    found = [roster.log(task_id) is not None for task_id in ("of 1", "of 2", "of 3")]

    assert found == [True, True, False]
