"""Writes the latest progress of the running attempts, one write at a time, and the last of each."""

from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from taskqueue.actors import task_log
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.clock import Clock
from taskqueue.errors import ActorUnavailable
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
        begin_task: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        """Make one without reports.

        Both run a coroutine as part of the consumer: `start_task` from the next turn of the loop
        on, so that what is noted in this one shares a write, `begin_task` at once.
        """
        self._storage = storage
        self._clock = clock
        self._start_task = start_task
        self._begin_task = begin_task
        self._latest: dict[str, tuple[Delivery, str]] = {}  # by token; not written yet
        self._writing = False
        self._lost = ThrottledLog("progress_not_noted", clock)

    def note(self, delivery: Delivery, progress: str) -> None:
        """Have the progress of an attempt written, unless a later one replaces it first."""
        self._latest[delivery.token] = delivery, progress
        if not self._writing:
            self._writing = True
            with suppress(ActorUnavailable):  # the consumer has ended, and its attempts with it
                self._start_task(self._write_all())

    def end(self, delivery: Delivery) -> None:
        """Have the last progress of an attempt written at once: before its outcome is."""
        last = self._latest.pop(delivery.token, None)
        if last is not None:
            with suppress(ActorUnavailable):  # as above
                self._begin_task(self._write({delivery.token: last}))

    async def _write_all(self) -> None:
        while latest := self._latest:
            self._latest = {}
            await self._write(latest)
        self._writing = False

    async def _write(self, latest: Mapping[str, tuple[Delivery, str]]) -> None:
        written = {token: progress for token, (_, progress) in latest.items()}
        try:
            await self._storage.use(Storage.report, written, now=self._clock.now())
        except UNREACHABLE as error:  # there will be a later one, or the result
            self._lost.info(reason=str(error))
        else:
            for delivery, progress in latest.values():
                task_log.progressed(delivery.task, progress)
