"""Detects commits of other connections within milliseconds, at no cost while there are none.

    a write to the log ─▶ inotify ─▶ PRAGMA data_version, on the writer's connection ─▶ notify

Our own commits write to the log as well. The version tells them apart: it does not change for a
connection by that connection's own commits. A commit takes effect only after its last write to the
log, when the disk has synced it. So a write is followed by several checks of the version. Each of
our own commits also checks it, without an extra message.

Clients touch the log after a commit, which usually means that there are new tasks: they are claimed
first, and the version is checked later.
"""

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.events import events
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.inotify import FileEvent, FileEventWatch, is_touched
from taskqueue.storage.sqlite.disk.wal import data_version

PAUSES_S = (0.001, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
"""Pauses from a write to the first check, and between checks: short compared with a sync."""

AFTER_TOUCH_S = 0.016

SUSTAINED = 5
"""Index of the pause between checks while writes keep coming, because a check delays a write."""


class ForeignCommits:
    """Calls functions on its loop after commits of others. Several commits may share a call."""

    def __init__(
        self,
        log: Path,
        writes: FileEventWatch,
        touches: FileEventWatch,
        writing: ThreadConnection | ProcessConnection,
        version: int,
        *,
        notify: Callable[[], object],
        notify_early: Callable[[], object],
    ) -> None:
        self._log = log
        self._writes = writes
        self._touches = touches
        self._writing = writing
        self._notify = notify
        self._notify_early = notify_early
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._step = len(PAUSES_S)  # the next pause; past the end while nothing is written
        self._looked_at = -math.inf
        self._is_committing = False
        self._committed_at = -math.inf  # when a commit of ours has last checked
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._listen()
        self._loop.add_reader(touches, self._touched)

    @classmethod
    async def begin(
        cls,
        log: Path,
        writing: ThreadConnection | ProcessConnection,
        *,
        notify: Callable[[], object],
        notify_early: Callable[[], object],
    ) -> "ForeignCommits | None":
        """Watch the log of an open file; return None if the system does not support that.

        `notify_early` is called after touches, before the version is checked.
        """
        with contextlib.ExitStack() as watches:
            try:
                writes = watches.enter_context(closing(FileEventWatch.on(log, FileEvent.WRITTEN)))
                touches = watches.enter_context(closing(FileEventWatch.on(log, FileEvent.TOUCHED)))
            except OSError as error:
                events.warning("foreign_commits_unwatched", reason=f"{log}: {error.strerror}")
                return None
            begun = cls(
                log,
                writes,
                touches,
                writing,
                await writing.run(data_version),
                notify=notify,
                notify_early=notify_early,
            )
            watches.pop_all()
        return begun

    def commit_begins(self) -> None:
        """Note that a commit of ours has begun, which checks the version as well."""
        self._is_committing = True

    def commit_ended(self, version: int | None) -> None:
        """Compare the version that a commit of ours found; None if it is unknown."""
        self._is_committing = False
        if version is not None and not self._closed:
            self._committed_at = self._loop.time()
            self._compare(version)

    def close(self) -> None:
        """Stop watching. Works after the loop has ended; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        for watch in (self._writes, self._touches):
            if not self._loop.is_closed():
                self._loop.remove_reader(watch)
            watch.close()
        self._stop_timer()

    def _listen(self) -> None:
        self._loop.add_reader(self._writes, self._written)

    def _written(self) -> None:
        # Not listening until the next check: meanwhile the kernel merges all writes into one event.
        self._loop.remove_reader(self._writes)
        is_quiet = self._step == len(PAUSES_S)
        self._step = 0 if is_quiet else min(self._step, SUSTAINED)
        self._look_at(max(self._looked_at + PAUSES_S[SUSTAINED], self._loop.time() + PAUSES_S[0]))

    def _touched(self) -> None:
        self._touches.drain()
        if is_touched(self._log):
            self._notify_early()
            self._look_at(self._loop.time() + AFTER_TOUCH_S)

    def _look_at(self, at: float) -> None:
        if self._timer is None or at < self._timer.when():
            self._stop_timer()
            self._timer = self._loop.call_at(at, self._look)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        if self._is_committing or now < self._committed_at + PAUSES_S[SUSTAINED]:
            self._look_after_commit(now)
            return
        self._looked_at = now
        self._writes.drain()
        self._listen()
        with contextlib.suppress(StorageUnavailable):  # it is being closed
            self._writing.run(data_version).add_done_callback(self._looked)

    def _look_after_commit(self, now: float) -> None:
        self._step = max(self._step, SUSTAINED)  # what was written is most likely ours
        at = now if self._is_committing else self._committed_at
        self._look_at(at + PAUSES_S[SUSTAINED])

    def _looked(self, hop: "asyncio.Future[int]") -> None:
        if hop.cancelled():
            return
        try:
            version = hop.result()
        except (sqlite3.Error, StorageUnavailable):
            version = self._version  # our next commit reports the fault; the poll finds the tasks
        if self._closed:
            return
        self._compare(version)
        if self._step < len(PAUSES_S):
            self._look_at(self._looked_at + PAUSES_S[self._step])
            self._step += 1

    def _compare(self, version: int) -> None:
        if version != self._version:
            self._version = version
            self._step = max(self._step, SUSTAINED)  # what we write now is most likely ours
            self._notify()
