"""Keeps room in the log of an open file, so that commits do not make it longer."""

import asyncio
import os
from functools import partial
from pathlib import Path

from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.log_space import LONGEST_BYTES, add_room


class LogSpace:
    """Adds room after the first commit, and whenever commits have used it up."""

    def __init__(
        self, writing: ThreadConnection | ProcessConnection, watch: FileWatch, log: Path
    ) -> None:
        """Make one that adds room between two commits, on the writer's connection."""
        self._writing = writing
        self._watch = watch
        self._log = log
        self._length = 0  # of the log, when room was last added
        self._is_adding = False

    def committed(self) -> None:
        """Add room if there is none left."""
        if not self._is_adding and self._used_up():
            self._add()

    def _used_up(self) -> bool:
        try:
            used = os.stat(self._log).st_size  # noqa: PTH116  a third of the cost
        except OSError:  # the next commit says that it is gone
            return False
        return self._length < used < LONGEST_BYTES

    def _add(self) -> None:
        self._is_adding = True
        self._writing.run(partial(add_room, self._watch, self._log)).add_done_callback(self._added)

    def _added(self, hop: "asyncio.Future[int]") -> None:
        if hop.cancelled() or hop.exception() is not None:
            return  # not again: whatever it is, commits meet it as well, and say so
        self._length = hop.result()
        self._is_adding = False
