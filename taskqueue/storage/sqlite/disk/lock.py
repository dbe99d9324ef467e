"""Keeps a database to one process: a lock on a file beside it, and one on the file itself.

tasks.db.lock   the path: held to create or replace the database there
tasks.db        the file, whatever path leads to it: symbolic link, hard link, bind mount
"""

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Self, TypeAlias

from taskqueue.errors import StorageUnavailable
from taskqueue.process import origin
from taskqueue.process.forks import close_in_children
from taskqueue.storage.sqlite.disk.faults import translated

PRIVATE_FILE = 0o600
"""The mode of the files that we make: no other user reads a payload or holds a lock."""

_RETRY_S = 0.01
_CLOSED = -1
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_COMPANIONS = ("-wal", "-shm", "-journal")
_FLAGS = os.O_CLOEXEC | os.O_NONBLOCK  # opening a FIFO would wait for its other end

# Where nothing can be written the lock can still be held, and the database be read.
_WRITE_PROTECTED = (errno.EROFS, errno.EPERM, errno.EACCES)

_Identity: TypeAlias = tuple[int, int]


def real_path(path: Path) -> Path:
    """Return where a path leads to through links; unlike `resolve` without a surprise at a loop."""
    return Path(os.path.realpath(path))


class FileLock:
    """The lock, held from `take` to `release`; the kernel releases it when the process dies.

    What still works with the file then has a share of the lock, and keeps it until that is dropped.
    """

    def __init__(self, path: Path, descriptor: int, file: "_DatabaseFile | None") -> None:
        self._path = path
        self._descriptor = descriptor
        self._file = file
        self._own_share = object()
        self._shares = {self._own_share}
        self._guard = threading.Lock()
        _held_here.add(path)
        close_in_children(self)

    @property
    def descriptors(self) -> tuple[int, ...]:
        """A process that is lent these keeps the lock, however this process ends."""
        return (self._descriptor,) if self._file is None else (self._descriptor, self.database)

    @property
    def has_database(self) -> bool:
        """Whether there was a database file when the lock was taken."""
        return self._file is not None

    @property
    def database(self) -> int:
        """A descriptor of the database file, to read from; not to be closed.

        Raises:
            StorageUnavailable: there was no file when the lock was taken.
        """
        if self._file is None:
            raise StorageUnavailable("there is no database file")
        return self._file.descriptor

    @classmethod
    async def take(cls, database: Path, *, within_s: float) -> Self:
        """Take the lock of `database`, waiting up to `within_s` seconds for its holder.

        The wait lets an engine that was abandoned in this process come to its end.

        Raises:
            StorageUnavailable: another holds it, a lock file cannot be opened, or the database is
                no regular file.
        """
        import asyncio  # noqa: PLC0415 - the process that writes takes no lock, and starts without

        # Real time, not the caller's: this waits for a neighbour, it decides nothing about a task.
        deadline = monotonic() + within_s
        while (lock := cls._try(database)) is None:
            if monotonic() >= deadline:
                raise StorageUnavailable(
                    f"another taskqueue process holds {database}; stop it, or use another database"
                )
            await asyncio.sleep(_RETRY_S)
        return lock

    @classmethod
    def _try(cls, database: Path) -> Self | None:
        with translated(database):
            path = real_path(database)
            file = _DatabaseFile.at(path)
        lock = path.with_name(path.name + ".lock")
        with translated(lock):
            descriptor = _open_lock(lock)
            if _is_locked(descriptor):
                if file is None or file.take():
                    return cls(path, descriptor, file)
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
            return None

    def share(self) -> Callable[[], None]:
        """Keep the lock until the function returned is called, from whatever thread.

        Raises:
            StorageUnavailable: the lock was released.
        """
        share = object()
        with self._guard:
            if not self._shares:
                raise StorageUnavailable("closed")
            self._shares.add(share)
        return partial(self._drop, share)

    def release(self) -> None:
        """Let go: the file is another's as soon as all shares are dropped, too."""
        _held_here.discard(self._path)
        self._drop(self._own_share)

    def _drop(self, share: object) -> None:
        with self._guard:
            if share not in self._shares:
                return
            self._shares.discard(share)
            if self._shares:
                return
        self._unlock()

    def _unlock(self) -> None:
        """Let others have it. The file stays: without it two processes would lock two files."""
        if self._file is not None:
            self._file.release()
        # The process that writes shares the lock, so closing our descriptor would not be enough.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        self.close()

    def close(self) -> None:
        """Close our descriptor: others that share the lock keep it."""
        descriptor, self._descriptor = self._descriptor, _CLOSED
        os.close(descriptor)


@dataclass(eq=False)
class _DatabaseFile:
    """A database file that this process has open beside SQLite, to lock it.

    It stays open after the release: when a process closes any descriptor of a file it loses all its
    POSIX locks on it, and with these SQLite keeps others from removing the log of a connection that
    is still open.
    """

    descriptor: int
    is_taken: bool = False

    def __post_init__(self) -> None:
        close_in_children(self)

    @classmethod
    def at(cls, path: Path) -> "_DatabaseFile | None":
        """Return the file that `path` leads to; None if there is none.

        Raises:
            OSError: it cannot be opened, or it or one of SQLite's files beside it is not regular.
        """
        for companion in _COMPANIONS:
            _require_regular(path.with_name(path.name + companion))
        if (identity := _require_regular(path)) is None:
            return None
        if identity not in _known:
            origin.keep_streams()
            descriptor = os.open(path, os.O_RDONLY | _FLAGS)
            found = os.fstat(descriptor)  # it may have been replaced meanwhile
            identity = found.st_dev, found.st_ino
            _known.setdefault(identity, cls(descriptor))
        return _known[identity]

    def take(self) -> bool:
        """Lock it; False if another has it, in this process or not."""
        if not self.is_taken and _is_locked(self.descriptor):
            self.is_taken = True
            return True
        return False

    def release(self) -> None:
        """Let others have it."""
        self.is_taken = False
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        if os.fstat(self.descriptor).st_nlink == 0:  # deleted: its space would stay occupied
            self.close()

    def close(self) -> None:
        """Close the descriptor, and know nothing of the file any more."""
        found = os.fstat(self.descriptor)
        _known.pop((found.st_dev, found.st_ino), None)
        os.close(self.descriptor)


_known: dict[_Identity, _DatabaseFile] = {}
_held_here: set[Path] = set()


def is_held_here(database: Path) -> bool:
    """Return whether this process holds the lock of `database`."""
    return real_path(database) in _held_here


def _require_regular(path: Path) -> _Identity | None:
    """Return which file is at `path`; None if none is."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, f"{path.name} is not a regular file")
    return found.st_dev, found.st_ino


def _open_lock(path: Path) -> int:
    _require_regular(path)
    origin.keep_streams()
    flags = _FLAGS | os.O_NOFOLLOW
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | flags, PRIVATE_FILE)
    except OSError as error:
        if error.errno not in _WRITE_PROTECTED:
            raise
        return os.open(path, os.O_RDONLY | flags)
    found = os.fstat(descriptor)
    if found.st_uid == os.geteuid() and found.st_mode & _OTHERS:
        os.fchmod(descriptor, PRIVATE_FILE)  # made by an earlier release: others could hold it
    return descriptor


def _is_locked(descriptor: int) -> bool:
    """Lock the file unless another process has; tell whether it is ours."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
