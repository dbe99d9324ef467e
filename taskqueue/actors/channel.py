"""How a running handler reaches the storage: with its progress, and to rehearse its transaction."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from taskqueue.actors.database import UNREACHABLE, StorageClient
from taskqueue.channel import Channel
from taskqueue.clock import Clock
from taskqueue.logger import log
from taskqueue.storage.protocol import Storage
from taskqueue.tasks import Rows, Statement

REHEARSAL_LIMIT_S = 1.0


class AttemptChannel(Channel):
    """The channel of one attempt, on the loop of its consumer."""

    def __init__(
        self,
        token: str,
        storage: StorageClient,
        clock: Clock,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        note_start: Callable[[], None],
    ) -> None:
        """Make a channel; to be called on the consumer's loop.

        Args:
            token: of the attempt.
            storage: where its task is.
            clock: the time.
            start_task: runs a coroutine as part of the consumer.
            note_start: has the start of the attempt noted, if it was not; a start that is noted
                after its progress would wipe that out.
        """
        self._token = token
        self._storage = storage
        self._clock = clock
        self._start_task = start_task
        self._note_start = note_start
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._progress: str | None = None  # the latest, not yet written
        self._reporting = False

    def report(self, progress: str) -> None:
        self._loop.call_soon_threadsafe(self._note, progress)

    def _note(self, progress: str) -> None:
        self._progress = progress
        if not self._reporting:
            self._reporting = True
            self._note_start()
            self._start_task(self._report())

    async def _report(self) -> None:
        """Write the latest, and what is the latest then: one write at a time, however chatty."""
        while (progress := self._progress) is not None:
            self._progress = None
            try:
                await self._storage.use(
                    Storage.report, {self._token: progress}, now=self._clock.now()
                )
            except UNREACHABLE as error:  # there will be a later one, or the result
                log.info("progress_not_noted", reason=str(error))
        self._reporting = False

    async def rehearse(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        return await self._storage.use(
            Storage.rehearse, statements, query, limit_s=REHEARSAL_LIMIT_S
        )

    def rehearse_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        if threading.get_ident() == self._thread:
            raise RuntimeError("fetch_blocking would block the loop; use `await fetch`")
        asking = self.rehearse(statements, query)
        return asyncio.run_coroutine_threadsafe(asking, self._loop).result()
