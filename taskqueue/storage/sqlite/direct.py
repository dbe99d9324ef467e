"""Uses a service's file from another process, without the service: synchronous, one call at a time.

file = SharedFile(Path("data/tasks.db"), patience_s=30.0)
file.write(partial(inserting.insert, tasks=tasks, now=now))     # one transaction, durable
file.read(partial(reads.get, task_id=task_id, now=now))
"""

import math
import os
import sqlite3
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TypeVar

from taskqueue.errors import StorageError, StorageUnavailable
from taskqueue.storage.sqlite.commit.batch import commit
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.connections.set_up import (
    Mode,
    SetUp,
    connect,
    set_up_reader,
    set_up_writer,
)
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.disk.inotify import touch
from taskqueue.storage.sqlite.disk.lock import real_path
from taskqueue.storage.sqlite.disk.wal import data_version
from taskqueue.storage.sqlite.schema import runner

T = TypeVar("T")

RECOVERY_S = 10.0
"""How long a service may take to save a log that was removed, and to begin a new one."""


class SharedFile:
    """Reads and writes a migrated file, whether a service runs on it or not. Shared by threads.

    It makes no checkpoint, not even with the last close: the service does, which knows whether a
    sync has failed. Connections are opened when they are needed, and again after an error.
    """

    def __init__(self, path: Path, *, patience_s: float) -> None:
        """Make one; `patience_s` is the longest wait for another that writes, in seconds."""
        path = path.absolute()
        set_up = partial(
            set_up_writer,
            path=path,
            version=runner.SQLITE_VERSION,
            synchronous="FULL",
            check=False,
        )
        self._patience_s = patience_s
        self.log = Path(f"{real_path(path)}-wal")
        self._writing = _Connection(path, "rw", patience_s, set_up)
        self._reading = _Connection(path, "ro", patience_s, _set_up_reader)

    def write(self, operation: Callable[[Transaction], T]) -> T:
        """Return what `operation` returns, once that is committed; if it raises, nothing is.

        Raises:
            StorageUnavailable: there is no file, it is locked for longer than the patience, full or
                not writable. Nothing is written, unless it was replaced just now.
            SchemaMismatch, ForeignSchema, StorageCorrupt: the file is not this release's.
        """
        self._reading.open()  # the last to close must be one that makes no checkpoint

        def commit_one(watch: FileWatch, db: sqlite3.Connection) -> T:
            [result] = commit([operation], watch, self._patience_s, db).results
            if result.error is not None:
                raise result.error
            touch(self.log)  # the service, if one runs, looks for new tasks at once
            value: T = result.value
            return value

        return self._writing.run(commit_one)

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` finds in all that is committed.

        Raises:
            StorageUnavailable: there is no file, or it cannot be read.
            SchemaMismatch, ForeignSchema, StorageCorrupt: the file is not this release's.
        """
        try:
            return self._reading.run(lambda _, db: query(db))
        except StorageUnavailable:
            self._writing.drop_if_replaced()  # it may keep a service from opening the file again
            raise

    def version(self) -> tuple[int, int]:
        """Return what changes with every commit, of whatever process; no table is read for it.

        After the log was removed, a running service writes what the log held into the file and
        begins a new one. Until then this raises, because a read would miss committed changes.

        Raises:
            StorageUnavailable, SchemaMismatch, ForeignSchema, StorageCorrupt: as `read` does.
        """
        if monotonic() < self._reading.lost_at + RECOVERY_S and not self.log.exists():
            raise StorageUnavailable(f"{self.log} was removed, and there is no new one yet")
        # The number is one of its connection, and a new connection may begin with the same.
        return self.read(lambda db: (id(db), data_version(db)))

    def close(self) -> None:
        """Close the connections. A later call opens them again."""
        self._writing.close()
        self._reading.close()


class _Connection:
    """One connection, used by one thread at a time."""

    def __init__(self, path: Path, mode: Mode, patience_s: float, set_up: SetUp) -> None:
        self._path = path
        self._mode = mode
        self._patience_s = patience_s
        self._set_up = set_up
        self._turn = threading.Lock()
        self._pid = os.getpid()
        self._opened: tuple[FileWatch, sqlite3.Connection] | None = None
        self.lost_at = -math.inf
        """When its file or its log was found removed or replaced, by the monotonic clock."""
        self._inherited: list[object] = []  # a fork must neither use its parent's nor close it

    def open(self) -> None:
        self.run(lambda _, db: db)

    def run(self, function: Callable[[FileWatch, sqlite3.Connection], T]) -> T:
        self._require_own()
        with self._turn:
            watch, db = self._opened = self._opened or self._connect()
            try:
                with translated(self._path):
                    watch.check()
                    return function(watch, db)
            except StorageError:
                if not watch.is_in_place():
                    self.lost_at = monotonic()
                self._drop()
                raise

    def close(self) -> None:
        self._require_own()
        with self._turn:
            self._drop()

    def drop_if_replaced(self) -> None:
        """Close it if its file or its log was removed or replaced, unless it is in use."""
        self._require_own()
        if not self._turn.acquire(blocking=False):
            return
        try:
            if self._opened is not None and not self._opened[0].is_in_place():
                self._drop()
        finally:
            self._turn.release()

    def _connect(self) -> tuple[FileWatch, sqlite3.Connection]:
        with translated(self._path):
            watch = FileWatch(self._path)
            db = connect(
                self._path,
                self._mode,
                busy_timeout_s=self._patience_s,
                set_up=self._set_up,
                any_thread=True,
            )
            return watch.with_log(), db

    def _drop(self) -> None:
        if self._opened is not None:
            self._opened[1].close()
        self._opened = None

    def _require_own(self) -> None:
        if self._pid != os.getpid():
            self._inherited.append(self._opened)
            self._opened, self._pid, self._turn = None, os.getpid(), threading.Lock()


def _set_up_reader(db: sqlite3.Connection) -> None:
    runner.require_version(db)
    set_up_reader(db)
