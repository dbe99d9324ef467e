"""Runs `async def` handlers on the loop of their consumer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from time import monotonic  # bound now: libraries replace it in its module for a while
from typing import Any

from taskqueue.api.context import Context
from taskqueue.api.handler import Handler
from taskqueue.executors.calling import awaited
from taskqueue.executors.eager import eagerly
from taskqueue.executors.lines import Frames, stack_of_coroutine
from taskqueue.executors.middleware import inside_middleware
from taskqueue.executors.outcome import outcome_of
from taskqueue.executors.unfinished import unfinished
from taskqueue.rules.running import HandlerStack
from taskqueue.rules.tasks import Outcome

# For so long handlers that never wait may follow each other before the loop gets its turn.
TURN_S = 0.001


class LoopExecutor:
    """Runs each handler in an asyncio task and with context variables of its own.

    One that never waits costs no turn of the loop, unless many such follow each other. A handler
    past its time limit is cancelled. One that blocks stops every handler of this loop, and one
    that swallows its cancellation runs on: only the caller's own limit ends the wait. One that
    cancels its own task, at once or later, affects only itself.
    """

    def __init__(self) -> None:
        self._turn_ends: float | None = None  # for the handlers of this turn of the loop
        self._thread = 0  # that of the loop
        self._running: dict[str, Coroutine[Any, Any, object]] = {}  # by the id of the task

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Await the handler; see `Executor.run`."""
        if self._turn_ends is None or monotonic() >= self._turn_ends:
            await self._begin_turn()  # not after it: it would seem to run on until then
        handle = partial(awaited, handler, context, kwargs)
        call, task_id = inside_middleware(handler, context, handle), context.task.id
        self._thread = threading.get_ident()
        self._running[task_id] = call
        note_end = unfinished.begin(context.task)  # a blocked loop outlives its consumer
        try:
            outcome = await outcome_of(eagerly(call), context, handler)
            if context.has_connection:
                outcome = await context.handle.concluded(outcome)
        finally:
            context.handle.abandon_connection()
            del self._running[task_id]
            note_end()
        return outcome

    async def _begin_turn(self) -> None:
        """Give the loop its turn if handlers have followed each other without one for too long."""
        if self._turn_ends is not None:
            await asyncio.sleep(0)
        if self._turn_ends is None:  # else another handler has been first
            self._turn_ends = monotonic() + TURN_S
            asyncio.get_running_loop().call_soon(self._end_turn)

    def _end_turn(self) -> None:
        self._turn_ends = None

    def locate(self, task_id: str, frames: Frames, tell: Callable[[HandlerStack], None]) -> None:
        """Tell in which calls of user code the handler waits or runs; see `Executor.locate`."""
        tell(stack_of_coroutine(self._running.get(task_id), frames.get(self._thread)))

    def resize(self, slots: int) -> None:
        """Do nothing: a loop is as good for any number."""

    def close(self) -> None:
        """Do nothing: no handler waits here, and those that run belong to their callers."""
