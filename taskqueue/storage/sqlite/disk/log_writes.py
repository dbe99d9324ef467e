"""Tells threads when the log of a file was written, with one watch for all of them."""

import contextlib
import math
import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskqueue.storage.sqlite.disk.file import identity_of
from taskqueue.storage.sqlite.disk.inotify import FileEvent, FileEventWatch

ASK_S = 0.1
"""How long a wait lasts while there is no log to watch; then its caller looks for itself."""


class LogWatch:
    """A descriptor that becomes readable when a log is written, removed or replaced."""

    def __init__(self, log: Path) -> None:
        """Begin to watch.

        Raises:
            OSError: there is no log, or the system does not tell of writes.
        """
        self.is_lost = False
        """Whether another log stands in its place, or none: nothing more is to be expected."""
        self._log = str(log)
        self._identity = identity_of(self._log)  # first: then a replacement is noticed
        events = FileEvent.WRITTEN | FileEvent.TOUCHED | FileEvent.RENAMED
        self._watch = FileEventWatch.on(log, events)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._watch.fileno()

    def drain(self) -> bool:
        """Forget what has happened so far; tell whether the log was written or is lost."""
        happened = self._watch.drain()
        if happened & ~FileEvent.WRITTEN:  # a touch by a client, most of the time
            self.is_lost = not self._is_in_place()
        return self.is_lost or FileEvent.WRITTEN in happened

    def _is_in_place(self) -> bool:
        try:
            return identity_of(self._log) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Close the descriptor; harmless when repeated."""
        self._watch.close()


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
        self._watch: LogWatch | None = None
        self._is_read = False  # by one of the threads that wait

    @contextmanager
    def watched(self) -> Iterator[bool]:
        """Watch until the block ends; yield whether the system tells of writes."""
        if self._pid != os.getpid():  # after a fork, which has closed the watch
            self._begin()
        with self._change:
            self._users += 1
            is_told = self._watch is not None or self._begin_watch()
        try:
            yield is_told
        finally:
            with self._change:
                self._users -= 1
                if self._users == 0 and self._watch is not None:
                    self._watch.close()
                    self._watch = None

    def _begin_watch(self) -> bool:
        with contextlib.suppress(OSError):
            self._watch = LogWatch(self._log)
        return self._watch is not None

    def wait(self, seen: int, timeout_s: float) -> None:
        """Wait until the `count` is not `seen` any more, for `timeout_s` at most; maybe for less.

        A log that was removed or replaced counts as written, and the next one is watched.
        To be called inside `watched`, if that has yielded True.
        """
        with self._change:
            if self.count != seen:
                return
            if self._watch is None:
                if self._begin_watch():
                    self.count += 1  # of what was written before, nothing is known
                else:
                    self._change.wait(min(timeout_s, ASK_S))
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
        is_written = bool(poll.poll(math.ceil(timeout_s * 1000))) and watch.drain()
        if watch.is_lost:
            with self._change:
                watch.close()
                self._watch = None
        return is_written
