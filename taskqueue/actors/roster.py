"""The roster: the consumers that live, for the gateway to see what they run.

Shared memory, because a consumer whose handler blocks it answers no message, and that one is what
an operator looks for.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.attempts import Workplace
from taskqueue.rules.running import HandlerLine, Running, RunningAttempt
from taskqueue.runtime import Reply

MOST_SHOWN = 1_000
ANSWER_S = 0.3
"""How long processes may take to say at which line they are."""


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
        places = self._workplaces.copy().values()
        found = [(each, place) for place in places for each in place.running()]
        found.sort(key=lambda each: each[0].started_at)
        lines = await _lines(found[:most], answer_s)
        attempts = (replace(each, line=line) for (each, _), line in zip(found, lines, strict=False))
        return Running(attempts=tuple(attempts), truncated=len(found) > most)


async def _lines(
    found: Sequence[tuple[RunningAttempt, Workplace]], answer_s: float
) -> Sequence[HandlerLine | None]:
    frames = sys._current_frames()  # noqa: SLF001 - there is no other way to see another thread
    replies: list[Reply[HandlerLine | None]] = []
    for attempt, place in found:
        replies.append(Reply())
        place.locate(attempt, frames, replies[-1].set)
    if waiters := [reply.waiter(answer_s) for reply in replies if not reply.done()]:
        await asyncio.wait(waiters)
    return [reply.result() if reply.done() else None for reply in replies]
