"""Has a log written into the file once more, where another process keeps its index alive."""

import contextlib
import fcntl
import os
import sqlite3
import time
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.set_up import SetUp

# Source: https://sqlite.org/walformat.html#the_wal_index_file_format
_BACKFILLED_AT = 96  # 4 bytes: how many frames of the log are in the file
_WRITE_AND_CHECKPOINT_LOCKS_AT = 120  # one byte each

_RETRY_S = 0.001


def set_up_afresh(db: sqlite3.Connection, *, path: Path, patience_s: float, set_up: SetUp) -> None:
    """Forget which part of the log was checkpointed, then set the connection up.

    SQLite forgets it with the last connection to the file. As long as another process has one, it
    would not write again what an earlier sync has lost, and would reset the log.

    For a process that has no other connection: closing the index gives up all its locks.

    Raises:
        StorageUnavailable: another process writes or checkpoints for longer than `patience_s`.
    """
    with (
        contextlib.suppress(FileNotFoundError),
        path.with_name(f"{path.name}-shm").open("r+b", buffering=0) as index,
    ):
        _lock(index.fileno(), path, patience_s)
        if os.fstat(index.fileno()).st_size > _BACKFILLED_AT:
            os.pwrite(index.fileno(), bytes(4), _BACKFILLED_AT)
    set_up(db)


def _lock(index: int, path: Path, patience_s: float) -> None:
    end = time.monotonic() + patience_s
    while True:
        try:
            fcntl.lockf(index, fcntl.LOCK_EX | fcntl.LOCK_NB, 2, _WRITE_AND_CHECKPOINT_LOCKS_AT)
        except (BlockingIOError, PermissionError) as error:  # either, as POSIX has it
            if time.monotonic() >= end:
                raise StorageUnavailable(f"{path}: another process is writing") from error
            time.sleep(_RETRY_S)
        else:
            return
