"""Notices commits of other connections within milliseconds, and costs nothing while there are none.

    a write to the log ─▶ inotify ─▶ PRAGMA data_version, on the writer's connection ─▶ notify

Our own commits write to the log as well. The version tells them apart: a connection does not see it
change by its own commits. A commit counts some time after its last write, when the disk has synced
it, and nothing is written to the log then. So the version is looked at several times; our clients
touch the log after a commit, and that is looked at without a pause.
"""

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.events import events
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.inotify import WriteWatch
from taskqueue.storage.sqlite.disk.wal import data_version

PAUSES_S = (0.0005, 0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032)
"""From one look to the next after a write: short beside the sync that the look waits for."""

SUSTAINED = 6
"""The pause between looks while writes keep coming, as an index: a look delays one."""


class ForeignCommits:
    """Calls a function, on its loop, after others have committed. Some commits share a call."""

    def __init__(
        self,
        watch: WriteWatch,
        writing: ThreadConnection | ProcessConnection,
        notify: Callable[[], object],
        version: int,
    ) -> None:
        self._watch = watch
        self._writing = writing
        self._notify = notify
        self._version = version
        self._loop = asyncio.get_running_loop()
        self._step = len(PAUSES_S)  # the next pause; none is left while all is quiet
        self._looked_at = -math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._listen()

    @classmethod
    async def begin(
        cls,
        log: Path,
        writing: ThreadConnection | ProcessConnection,
        notify: Callable[[], object],
    ) -> "ForeignCommits | None":
        """Watch the log of an open file; None if the system does not allow that."""
        try:
            watch = WriteWatch.on(log)
        except OSError as error:
            events.warning("foreign_commits_unwatched", reason=f"{log}: {error.strerror}")
            return None
        try:
            return cls(watch, writing, notify, await writing.run(data_version))
        except BaseException:
            watch.close()
            raise

    def close(self) -> None:
        """Stop watching. Works after the loop has ended; harmless when repeated."""
        if self._closed:
            return
        self._closed = True
        if not self._loop.is_closed():
            self._loop.remove_reader(self._watch)
        self._stop_timer()
        self._watch.close()

    def _listen(self) -> None:
        self._loop.add_reader(self._watch, self._written)

    def _written(self) -> None:
        is_touched = self._watch.drain()
        # Not listening until the next look: meanwhile the kernel counts all writes as one.
        self._loop.remove_reader(self._watch)
        if self._step == len(PAUSES_S):
            self._step = 0
        is_soon = is_touched and self._step < SUSTAINED
        self._step = min(self._step, SUSTAINED)
        self._look_at(self._looked_at + (0.0 if is_soon else PAUSES_S[SUSTAINED]))

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
        self._looked_at = self._loop.time()
        self._watch.drain()
        self._listen()
        with contextlib.suppress(StorageUnavailable):  # it is being closed
            self._writing.run(data_version).add_done_callback(self._looked)

    def _looked(self, hop: "asyncio.Future[int]") -> None:
        if self._closed or hop.cancelled():
            return
        try:
            version = hop.result()
        except (sqlite3.Error, StorageUnavailable):
            version = self._version  # our next commit says what is wrong; the poll finds the tasks
        if version != self._version:
            self._version = version
            self._step = max(self._step, SUSTAINED)  # what we write now is most likely ours
            self._notify()
        if self._step < len(PAUSES_S):
            self._look_at(self._looked_at + PAUSES_S[self._step])
            self._step += 1
