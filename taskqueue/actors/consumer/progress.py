"""Writes the latest progress of each attempt, one write at a time."""

from collections.abc import Callable, Coroutine
from typing import Any

from taskqueue.actors import task_log
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock
from taskqueue.rules.tasks import Delivery
from taskqueue.storage.protocol import Storage
from taskqueue.throttle import ThrottledLog


class ProgressReports:
    """The progress of a consumer's attempts, on its loop."""

    def __init__(
        self,
        storage: StorageClient,
        clock: Clock,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Make one without reports; `start_task` runs a coroutine as part of the consumer."""
        self._storage = storage
        self._clock = clock
        self._start_task = start_task
        self._latest: dict[str, tuple[Delivery, str]] = {}  # by token; not written yet
        self._writing = False
        self._lost = ThrottledLog("progress_not_noted", clock)

    def note(self, delivery: Delivery, progress: str) -> None:
        """Have the progress of an attempt written, unless a later one replaces it first."""
        self._latest[delivery.token] = delivery, progress
        if not self._writing:
            self._writing = True
            self._start_task(self._write())

    async def _write(self) -> None:
        while latest := self._latest:
            self._latest = {}
            written = {token: progress for token, (_, progress) in latest.items()}
            try:
                await self._storage.use(Storage.report, written, now=self._clock.now())
            except UNREACHABLE as error:  # there will be a later one, or the result
                self._lost.info(reason=str(error))
            else:
                for delivery, progress in latest.values():
                    task_log.progressed(delivery.task, progress)
        self._writing = False
