"""Runs `async def` handlers on the loop of their consumer."""

import asyncio
from collections.abc import Mapping
from typing import Any

from taskqueue.context import Context
from taskqueue.executors.outcome import crash_contained, outcome_of
from taskqueue.handler import Handler
from taskqueue.tasks import Outcome


class LoopExecutor:
    """Runs each handler as an asyncio task of its own, beside the others of this loop.

    A handler past its `timeout_s` is cancelled. One that blocks stops every handler of this loop,
    and one that swallows its cancellation runs on: only the caller's own limit ends the wait.
    """

    async def run(self, handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Outcome:
        """Await the handler; see `Executor.run`."""
        # Its own task, so that context variables and cancellations of a handler stay its own.
        running = asyncio.create_task(
            _call(handler, context, kwargs), name=f"task {context.task.id}"
        )
        return await outcome_of(running, context, timeout_s=handler.timeout_s)

    def close(self) -> None:
        """Do nothing: no handler waits here, and those that run belong to whoever awaits them."""


async def _call(handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> object:
    with crash_contained():
        return await handler.function(context, **kwargs)
