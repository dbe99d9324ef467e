"""The handle of an attempt: reports progress, and reads for the handler's transaction."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Self

from taskqueue.actors.consumer.attempt_connection import AttemptConnection
from taskqueue.actors.consumer.charges import Charges
from taskqueue.actors.consumer.progress import ProgressReports
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.attempt_handle import AttemptHandle
from taskqueue.attempt_log import Lines
from taskqueue.clock import Clock
from taskqueue.errors import NoConnection
from taskqueue.rules.leases.values import Taken
from taskqueue.rules.limits import LimitUse
from taskqueue.rules.tasks import Outcome, Rows, Statement
from taskqueue.runtime.cancellation import undisturbed
from taskqueue.storage.protocol import Storage

DRY_RUN_LIMIT_S = 1.0

SHOWN_PROGRESS = 4 << 10
"""Longest progress, in characters, that is also kept here, for lists of running attempts."""


class AttemptServices(NamedTuple):
    """What the attempts of one consumer use, on its loop.

    Attributes:
        storage: where their tasks are.
        reports: receives their progress.
        charges: receives what they spend.
        note_starts: notes the starts of all attempts that are not noted yet: a start that is noted
            after a progress would erase that.
        clock: the time.
        loop: the consumer's.
        thread: that of the loop.
    """

    storage: StorageClient
    reports: ProgressReports
    charges: Charges
    note_starts: Callable[[], None]
    clock: Clock
    loop: asyncio.AbstractEventLoop
    thread: int

    @classmethod
    def here(
        cls,
        storage: StorageClient,
        reports: ProgressReports,
        charges: Charges,
        note_starts: Callable[[], None],
        clock: Clock,
    ) -> Self:
        """Make them on the loop that runs."""
        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        return cls(storage, reports, charges, note_starts, clock, loop, thread)


class ConsumerAttemptHandle(AttemptHandle):
    """The handle of one attempt, on the loop of its consumer."""

    def __init__(self, taken: Taken, services: AttemptServices) -> None:
        """Make the handle of an attempt."""
        self._taken = taken
        self._services = services
        self._connection: AttemptConnection | None = None  # most handlers ask for none
        self._has_ended = False
        self.has_reported = False
        self.latest: str | None = None
        """The latest progress; None also if it is too long."""
        self._progress: str | None = None  # the latest, not yet handed over
        self._handing_over = False

    def report(self, progress: str) -> None:
        # One callback, however often it is called before the loop turns: each would keep its text.
        self._progress = progress
        self.has_reported = True
        self.latest = progress if len(progress) <= SHOWN_PROGRESS else None
        if not self._handing_over:
            self._handing_over = True
            self._services.loop.call_soon_threadsafe(self._hand_over)

    def spend(self, use: LimitUse) -> None:
        self._services.loop.call_soon_threadsafe(self._services.charges.add, use)

    def log(self, lines: Lines) -> None:
        self._taken.log.add(lines)

    def end_reports(self) -> None:
        """Have the last progress written before the outcome: what is over has none."""
        self._hand_over()
        self._services.reports.end(self._taken.delivery)

    def _hand_over(self) -> None:
        self._handing_over = False  # first: what is reported from now on has a callback of its own
        if (progress := self._progress) is not None:
            self._progress = None
            self._services.note_starts()
            self._services.reports.note(self._taken.delivery, progress)

    async def dry_run(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        storage = self._services.storage
        return await storage.use(Storage.dry_run, statements, query, limit_s=DRY_RUN_LIMIT_S)

    def dry_run_blocking(self, statements: tuple[Statement, ...], query: Statement) -> Rows:
        if threading.get_ident() == self._services.thread:
            raise RuntimeError("fetch_blocking would block the loop; use `await fetch`")
        asking = self.dry_run(statements, query)
        return asyncio.run_coroutine_threadsafe(asking, self._services.loop).result()

    def connection(self) -> AbstractAsyncContextManager[Any]:
        if threading.get_ident() != self._services.thread:
            raise NoConnection("it was asked for on another thread")
        if self._connection is None:
            if self._has_ended:  # its transaction would never be concluded
                raise NoConnection("the attempt has ended")
            services = self._services
            self._connection = AttemptConnection(self._taken, services.storage, services.clock)
        return self._connection.lent()

    async def concluded(self, outcome: Outcome) -> Outcome:
        if self._connection is None:
            return outcome
        concluding = asyncio.ensure_future(self._connection.conclude(outcome))
        await undisturbed(concluding)  # a cancellation of the handler does not cancel a commit
        return concluding.result()

    def abandon_connection(self) -> None:
        self._has_ended = True
        if self._connection is not None:
            self._connection.abandon()
