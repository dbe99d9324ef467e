"""Runs `async def` handlers on the loop of their consumer."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
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


class LoopExecutor:
    """Runs each handler in an asyncio task and with context variables of its own.

    One that never waits costs no turn of the loop: see `turns`. A handler past its time limit is
    cancelled. One that blocks stops every handler of this loop, and one that swallows its
    cancellation runs on: only the caller's own limit ends the wait. One that cancels its own task,
    at once or later, affects only itself.
    """

    def __init__(self) -> None:
        self._thread = 0  # that of the loop
        self._running: dict[str, Coroutine[Any, Any, object]] = {}  # by the id of the task

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Await the handler; see `Executor.run`."""
        handle = partial(awaited, handler, context, kwargs)
        call, task_id = inside_middleware(handler, context, handle), context.task.id
        loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._running[task_id] = call
        note_end = unfinished.begin(context.task)  # a blocked loop outlives its consumer
        try:
            outcome = await outcome_of(eagerly(call, loop), context, handler, loop)
            if context.has_connection:
                outcome = await context.handle.concluded(outcome)
        finally:
            context.handle.abandon_connection()
            del self._running[task_id]
            note_end()
        return outcome

    def locate(self, task_id: str, frames: Frames, tell: Callable[[HandlerStack], None]) -> None:
        """Tell in which calls of user code the handler waits or runs; see `Executor.locate`."""
        tell(stack_of_coroutine(self._running.get(task_id), frames.get(self._thread)))

    def resize(self, slots: int) -> None:
        """Do nothing: a loop is as good for any number."""

    def close(self) -> None:
        """Do nothing: no handler waits here, and those that run belong to their callers."""
