"""Keeps room in the log of an open file, so that commits do not make it longer."""

import asyncio
import contextlib
import os
from functools import partial
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.log_space import LONGEST_BYTES, add_room

MOST_ROOM_BYTES = 4 * 1024 * 1024


class LogSpace:
    """Adds zeros to the log in steps, up to its own length, when commits have used up its room."""

    def __init__(
        self, writing: ThreadConnection | ProcessConnection, watch: FileWatch, log: Path
    ) -> None:
        """Make one that adds room between two commits, on the writer's connection."""
        self._writing = writing
        self._watch = watch
        self._log = log
        self._length = 0  # of the log, when room was last added
        self._goal = 0
        self._is_adding = False

    def committed(self) -> None:
        """Begin to add room if none is left."""
        if not self._is_adding and self._length < (used := self._used()) < LONGEST_BYTES:
            self._goal = min(used + min(used, MOST_ROOM_BYTES), LONGEST_BYTES)
            self._add()

    def _used(self) -> int:
        try:
            return os.stat(self._log).st_size  # noqa: PTH116  a third of the cost
        except OSError:  # the next commit says that it is gone
            return 0

    def _add(self) -> None:
        self._is_adding = True
        with contextlib.suppress(StorageUnavailable):  # it is being closed
            adding = self._writing.run(partial(add_room, self._watch, self._log))
            adding.add_done_callback(self._added)

    def _added(self, hop: "asyncio.Future[int]") -> None:
        if hop.cancelled() or hop.exception() is not None:
            return  # not again: whatever it is, commits meet it as well, and say so
        before, self._length = self._length, hop.result()
        if before < self._length < self._goal:
            self._add()
        else:
            self._is_adding = False
