"""The roster: the consumers that live, for the gateway to see what they run.

Shared memory, because a consumer whose handler blocks it answers no message, and that one is what
an operator looks for.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.attempts import Workplace
from taskqueue.rules.logs import RunningLog
from taskqueue.rules.running import (
    NO_STACK,
    HandlerStack,
    Running,
    RunningAttempt,
    RunningStack,
)
from taskqueue.runtime import Reply

MOST_SHOWN = 1_000
ANSWER_S = 0.3
"""How long processes may take to send the stacks of their handlers."""


class Roster:
    """The consumers of one service; kept over restarts of all its parts."""

    def __init__(self) -> None:
        """Begin with none."""
        self._workplaces: dict[str, Workplace] = {}

    def enter(self, workplace: Workplace) -> Callable[[], None]:
        """Show a consumer; return what takes it out again, unless its successor has entered."""
        self._workplaces[workplace.consumer] = workplace
        return partial(self._leave, workplace)

    def _leave(self, workplace: Workplace) -> None:
        if self._workplaces.get(workplace.consumer) is workplace:
            del self._workplaces[workplace.consumer]

    async def running(self, *, most: int = MOST_SHOWN, answer_s: float = ANSWER_S) -> Running:
        """Return what runs, `most` attempts, with the lines that are known after `answer_s`.

        Runs no code of the user, and waits for no consumer.
        """
        found = sorted(self._found(), key=lambda each: each[0].started_at)
        stacks = await _stacks(found[:most], answer_s)
        attempts = (
            replace(each, line=stack.line) for (each, _), stack in zip(found, stacks, strict=False)
        )
        return Running(attempts=tuple(attempts), truncated=len(found) > most)

    def count(self) -> int:
        """Return how many attempts run."""
        return sum(1 for _ in self._found())

    async def stack(self, task_id: str, *, answer_s: float = ANSWER_S) -> RunningStack | None:
        """Return the attempt that runs at a task, with its stack if that is known after `answer_s`.

        None if none runs. Runs no code of the user, and waits for no consumer.
        """
        found = [each for each in self._found() if each[0].task_id == task_id][-1:]
        for (attempt, _), stack in zip(found, await _stacks(found, answer_s), strict=True):
            return RunningStack(attempt=replace(attempt, line=stack.line), stack=stack)
        return None

    def log(self, task_id: str) -> RunningLog | None:
        """Return what the attempt that runs at a task has logged; None if nothing or none runs."""
        logs = (place.log(task_id) for place in self._workplaces.copy().values())
        return next((log for log in logs if log is not None), None)

    def _found(self) -> Iterator[tuple[RunningAttempt, Workplace]]:
        for place in self._workplaces.copy().values():
            for attempt in place.running():
                yield attempt, place


async def _stacks(
    found: Sequence[tuple[RunningAttempt, Workplace]], answer_s: float
) -> Sequence[HandlerStack]:
    frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see another thread
    replies: list[Reply[HandlerStack]] = []
    for attempt, place in found:
        replies.append(Reply())
        place.locate(attempt, frames, replies[-1].set)
    if waiters := [reply.waiter(answer_s) for reply in replies if not reply.done()]:
        await asyncio.wait(waiters)
    return [reply.result() if reply.done() else NO_STACK for reply in replies]
