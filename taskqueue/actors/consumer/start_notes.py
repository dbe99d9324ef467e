"""Notes in the storage which attempts have begun."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock
from taskqueue.rules.tasks import Task
from taskqueue.runtime import Reply
from taskqueue.storage.protocol import Storage
from taskqueue.throttle import ThrottledLog

RETRY_S = 0.1


class StartNotes:
    """The starts of a consumer's attempts, on its loop."""

    def __init__(
        self,
        storage: StorageClient,
        clock: Clock,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Make one without notes; `start_task` runs a coroutine as part of the consumer."""
        self._storage = storage
        self._clock = clock
        self._start_task = start_task
        self._lost = ThrottledLog("start_not_noted", clock)

    def note(self, begun: Sequence[str]) -> None:
        """Note that attempts have begun, without waiting: the queue actor repeats lost notes."""
        try:
            noting = self._storage.send(Storage.start, begun, now=self._clock.now())
            self._start_task(self._await_answer(noting))
        except UNREACHABLE as error:
            self._lost.info(reason=str(error))

    async def _await_answer(self, noting: Reply[None]) -> None:
        try:
            await noting
        except UNREACHABLE as error:
            self._lost.info(reason=str(error))

    async def write(self, token: str) -> None:
        """Note that an attempt is about to begin; return once the note is written."""
        while True:
            try:
                return await self._storage.use(Storage.start, (token,), now=self._clock.now())
            except UNREACHABLE as error:
                self._lost.info(reason=str(error))
            await asyncio.sleep(RETRY_S)


def must_be_noted_first(task: Task) -> bool:
    """Return whether the start of an attempt must be written before it begins.

    Most starts are noted only if the attempt lasts, so an attempt that ends the process at once is
    repeated. But a last attempt must not be repeated, and a task that is delivered for the second
    time may be the one that ended the process.
    """
    return task.deliveries > 1 or task.attempt >= task.max_attempts
