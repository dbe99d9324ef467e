"""Tells threads when the log of a file was written, with one watch for all of them."""

import contextlib
import math
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskqueue.storage.sqlite.disk.inotify import FileEvent, FileEventWatch


class LogWrites:
    """Counts writes to a log while a thread waits for one; writes that come together count once.

    A user may have 128 watches by default, and services need them. So the threads share one: the
    first that waits reads it and wakes the others.
    """

    def __init__(self, log: Path) -> None:
        """Make one; nothing is watched yet."""
        self._log = log
        self._begin()

    def _begin(self) -> None:
        self.count = 0
        self._pid = os.getpid()
        self._change = threading.Condition()
        self._users = 0
        self._watch: FileEventWatch | None = None
        self._is_read = False  # by one of the threads that wait

    @contextmanager
    def watched(self) -> Iterator[bool]:
        """Watch until the block ends; yield whether the system tells of writes."""
        if self._pid != os.getpid():  # after a fork, which has closed the watch
            self._begin()
        with self._change:
            self._users += 1
            if self._watch is None:
                with contextlib.suppress(OSError):
                    self._watch = FileEventWatch.on(self._log, FileEvent.WRITTEN)
            is_told = self._watch is not None
        try:
            yield is_told
        finally:
            with self._change:
                self._users -= 1
                if self._users == 0 and self._watch is not None:
                    self._watch.close()
                    self._watch = None

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the `count` is not `seen` any more, for `timeout_s` at most; maybe for less.

        To be called inside `watched`, if that has yielded True.
        """
        with self._change:
            if self.count != seen:
                return
            if self._is_read:
                self._change.wait(timeout_s)
                return
            self._is_read = True
        is_written = False
        try:
            is_written = self._read(timeout_s)
        finally:
            with self._change:
                self._is_read = False
                self.count += is_written
                self._change.notify_all()

    def _read(self, timeout_s: float) -> bool:
        watch = self._watch
        if watch is None:
            return False
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        is_written = bool(poll.poll(math.ceil(timeout_s * 1000)))
        if is_written:
            watch.drain()
        return is_written
