"""Handler ends: holds back the outcomes of limited tasks whose handlers cannot be stopped.

A task keeps its slots until its outcome is written. So a thread that still runs after its task was
cancelled or its consumer ended cannot exceed a limit.
"""

import asyncio
import contextlib
from collections.abc import Iterable
from functools import partial

from taskqueue.events import events
from taskqueue.executors.unfinished import UnfinishedHandlers
from taskqueue.rules.leases.values import Finished
from taskqueue.rules.tasks import Task


class HandlerEnds:
    """Waits for handlers to end, until the service stops."""

    def __init__(self, handlers: UnfinishedHandlers) -> None:
        """Make one that holds nothing back yet."""
        self._handlers = handlers
        self._awaited: set[asyncio.Event] = set()
        self._is_stopping = False

    def is_awaited(self, finished: Finished) -> bool:
        """Tell whether an outcome has to wait for its handler."""
        return not self._is_stopping and self._handlers.includes(finished.delivery.task)

    def keep(self, finished: Finished) -> None:
        """Remember an outcome until it is written, even if this queue actor ends."""
        self._handlers.outcomes[finished.delivery.token] = finished

    def known(self, finished: Finished) -> Finished:
        """Return the outcome that was kept of an attempt, which a new queue actor cannot know."""
        return self._handlers.outcomes.get(finished.delivery.token, finished)

    def written(self, tokens: Iterable[str]) -> None:
        """Forget the outcomes of these deliveries."""
        if self._handlers.outcomes:
            for token in tokens:
                self._handlers.outcomes.pop(token, None)

    async def wait(self, task: Task) -> None:
        """Wait until no handler of this task runs, or the service stops."""
        events.warning(
            "handler_runs_on",
            task_id=task.id,
            action=task.action,
            queue=task.queue,
            attempt=task.attempt,
        )
        ended = asyncio.Event()
        if self._is_stopping:
            return
        self._awaited.add(ended)
        try:
            self._handlers.when_ended(task, partial(_set, ended, asyncio.get_running_loop()))
            await ended.wait()
        finally:
            self._awaited.discard(ended)

    def stop(self) -> None:
        """Stop waiting: outcomes that were held back are to be written."""
        self._is_stopping = True
        for ended in self._awaited:
            ended.set()


def _set(event: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing waits there any more
        loop.call_soon_threadsafe(event.set)
