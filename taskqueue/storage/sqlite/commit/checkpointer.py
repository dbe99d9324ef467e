"""Checkpoints the WAL, without delaying commits.

    rows were written ─▶ checkpoint the log, on a thread of its own, while commits go on
                           └─ it has grown long ─▶ checkpoint the rest, between two commits

SQLite resets the log only when all of it has been checkpointed. Beside a busy writer that never
happens in the first step. The second one catches up, and is short because of the first.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

from taskqueue.errors import StorageError
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.faults import checkpoint_error
from taskqueue.storage.sqlite.disk.wal import checkpoint
from taskqueue.storage.sqlite.errors import SyncFailed

_ROWS = 2_000  # changed since the last time: a few MiB of log, tens of milliseconds of disk
_LONG_PAGES = 2_000  # 8 MiB


class Checkpointer:
    """Keeps the log of a database file short; one checkpoint at a time."""

    def __init__(
        self,
        connection: ThreadConnection,
        writing: ThreadConnection | ProcessConnection,
        path: Path,
        on_failed_sync: Callable[[SyncFailed], object],
    ) -> None:
        """Use `connection`, which it owns, and `writing`, the writer's.

        After a failed sync it calls `on_failed_sync` and makes no more checkpoints: the next one
        would succeed without the pages that the sync has lost, and SQLite would reset the log.
        """
        self._connection = connection
        self._writing = writing
        self._path = path
        self._on_failed_sync = on_failed_sync
        self._rows = 0  # that had been changed when the latest checkpoint began
        self._failure: StorageError | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    def check(self) -> None:
        """Raise once if the latest checkpoint has failed.

        Raises:
            StorageUnavailable, StorageCorrupt: what SQLite said.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def written(self, rows: int) -> None:
        """Begin a checkpoint if enough rows have changed and none is under way.

        `rows` is the number of all rows changed so far.
        """
        if rows - self._rows >= _ROWS and self._idle.is_set() and not self._closed:
            self._rows = rows
            self._idle.clear()
            self._connection.run(checkpoint).add_done_callback(self._caught_up)

    async def close(self) -> None:
        """Finish the checkpoint that is under way, then close the connection."""
        self._closed = True
        await self._idle.wait()
        await self._connection.close()

    def abandon(self, then: Callable[[], object]) -> None:
        """Let go without waiting; `then` is called when the thread is done."""
        self._closed = True
        self._connection.abandon(then)

    def _caught_up(self, hop: asyncio.Future[int]) -> None:
        pages = self._pages(hop)
        if pages >= _LONG_PAGES and not self._closed:
            self._writing.run(checkpoint).add_done_callback(self._ended)
        else:
            self._idle.set()

    def _ended(self, hop: asyncio.Future[int]) -> None:
        self._pages(hop)
        self._idle.set()

    def _pages(self, hop: asyncio.Future[int]) -> int:
        """Return how long the log was; if that failed, 0, and note why."""
        try:
            return hop.result()
        except (sqlite3.Error, StorageError) as error:
            self._failure = checkpoint_error(error, self._path)
            if self._failure is None:
                raise
            if isinstance(self._failure, SyncFailed):
                self._closed = True
                self._on_failed_sync(self._failure)
            return 0
