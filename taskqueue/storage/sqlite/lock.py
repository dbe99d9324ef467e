"""Keeps a database to one process, by a lock on a file beside it."""

import asyncio
import errno
import fcntl
import os
import time
from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.forks import close_in_children
from taskqueue.storage.sqlite.faults import translated

_RETRY_S = 0.01
_CLOSED = -1

# Where nothing can be written the lock can still be held, and the database be read.
_WRITE_PROTECTED = (errno.EROFS, errno.EPERM, errno.EACCES)


class FileLock:
    """The lock, held from `take` to `release`; the kernel releases it when the process dies."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        """A process that is lent it keeps the lock, however this one ends."""
        close_in_children(self)

    @classmethod
    async def take(cls, database: Path, *, within_s: float) -> "FileLock":
        """Take the lock of `database`, waiting up to `within_s` seconds for whoever holds it.

        The wait lets an engine that was abandoned in this process come to its end.

        Raises:
            StorageUnavailable: another holds it, or the lock file cannot be opened.
        """
        # Real time, not the caller's: this waits for a neighbour, it decides nothing about a task.
        deadline = time.monotonic() + within_s
        while (lock := cls._try(database)) is None:
            if time.monotonic() >= deadline:
                raise StorageUnavailable(f"another taskqueue process holds {database}")
            await asyncio.sleep(_RETRY_S)
        return lock

    @classmethod
    def _try(cls, database: Path) -> "FileLock | None":
        path = database.with_name(database.name + ".lock")
        with translated(path):
            descriptor = _open(path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except BaseException:
                os.close(descriptor)
                raise
        return cls(descriptor)

    def release(self) -> None:
        """Let go. The file stays: removing it would let two processes lock two files."""
        # The process that writes shares the lock, so closing our descriptor would not be enough.
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close our descriptor: others that share the lock keep it."""
        descriptor, self.descriptor = self.descriptor, _CLOSED
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if error.errno not in _WRITE_PROTECTED:
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
