"""Notices that the database file is no longer the one that was opened, or no database."""

import contextlib
import errno
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from taskqueue.errors import StorageCorrupt
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.lock import PRIVATE_FILE, real_path

PRIVATE_FOLDER = 0o700

Identity: TypeAlias = tuple[int, int]

_MAGIC = b"SQLite format 3\0"
_LOG = ("-wal", "-shm")
_CHUNK = 1024 * 1024


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, for its owner alone; harmless if it is there.

    The names are synced: until then a power cut may take them. That of a folder that is already
    there too, if that is possible: the process that made it may have died before it could.
    """
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            sync_names_in(each.parent)
    folder.mkdir(exist_ok=True)  # raises if it is something else
    with contextlib.suppress(OSError):  # a parent that we may not read, or a read-only disk
        sync_names_in(folder.parent)


def sync_names_in(folder: Path) -> None:
    """Have the names of files in a folder on disk: those that were made, renamed or removed."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_file(path: Path) -> None:
    """Make an empty database for its owner alone, if there is no file.

    SQLite gives its other files the mode of this one.
    """
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))
    except FileExistsError:
        return


def require_header(path: Path, descriptor: int) -> None:
    """Make sure that the file at `path` is a database by its first bytes, or empty.

    Looked at before SQLite does: a log that was left beside another file would be applied to this
    one, and be gone.

    Raises:
        StorageCorrupt: it is none.
        OSError: the disk cannot read it.
    """
    found = os.pread(descriptor, len(_MAGIC), 0)
    if found not in (b"", _MAGIC):
        raise StorageCorrupt(str(path), "file is not a database (SQLITE_NOTADB)")


def require_readable(path: Path, descriptor: int) -> None:
    """Read all bytes of the database, by its descriptor, and of its log, if there is one.

    SQLite tells a disk that fails to read from a damaged file as little as its own check does.

    Raises:
        OSError: the disk says why it cannot.
    """
    at = 0
    while data := os.pread(descriptor, _CHUNK, at):
        at += len(data)
    with contextlib.suppress(FileNotFoundError), Path(f"{real_path(path)}-wal").open("rb") as log:
        while log.read(_CHUNK):
            pass


def require_whole(db: sqlite3.Connection, path: Path) -> None:
    """Read all of the database; takes its time.

    Raises:
        StorageCorrupt: some of it is damaged.
    """
    [found] = db.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StorageCorrupt(str(path), found.replace("\n", " "))


class FileWatch:
    """Remembers which file stands at `path`; raises `OSError` if there is none.

    SQLite goes on writing into a file that was removed, and such writes are lost. So are those in
    its log (`-wal`) and, as soon as another process comes, those by its index (`-shm`). A `stat`
    costs a microsecond, so it is asked around every transaction.
    """

    def __init__(
        self,
        path: Path | str,
        identity: Identity | None = None,
        log: Sequence[tuple[str, Identity]] = (),
    ) -> None:
        """Watch over the file that is there now, or the one of this `identity`; and its `log`."""
        self._place = str(path)
        self._identity = identity or identity_of(self._place)
        self._log = tuple(log)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle it compactly: it goes to the writer with each commit."""
        return FileWatch, self.state

    @property
    def state(self) -> tuple[str, Identity, tuple[tuple[str, Identity], ...]]:
        """What it can be made of again."""
        return self._place, self._identity, self._log

    def with_log(self) -> "FileWatch":
        """Watch over the log as well that is there now, because a connection is open."""
        places = [f"{real_path(self.path)}{end}" for end in _LOG]  # SQLite follows links as well
        log = [(place, identity_of(place)) for place in places]
        return FileWatch(self._place, self._identity, log)

    @property
    def path(self) -> Path:
        """Where the file is to stand."""
        return Path(self._place)

    def is_there(self) -> bool:
        """Tell whether the file still stands where it stood."""
        try:
            return identity_of(self._place) == self._identity
        except (FileNotFoundError, NotADirectoryError):
            return False

    def log_is_there(self) -> bool:
        """Tell whether the log still stands where it stood, if it is watched over."""
        try:
            return all(identity_of(place) == identity for place, identity in self._log)
        except FileNotFoundError:
            return False

    def is_in_place(self) -> bool:
        """Tell whether the file and its log still stand where they stood."""
        return self.is_there() and self.log_is_there()

    def is_of_log(self, descriptor: int) -> bool:
        """Tell whether an open file is one of those of the log that are watched over."""
        found = os.fstat(descriptor)
        return (found.st_dev, found.st_ino) in (identity for _, identity in self._log)

    def check(self) -> None:
        """Raise `FileNotFoundError` if the file was removed or replaced, or its log was."""
        if not self.is_there():
            raise FileNotFoundError(errno.ENOENT, "database file is gone or was replaced")
        if not self.log_is_there():
            raise FileNotFoundError(
                errno.ENOENT,
                "its log (-wal or -shm beside it) was removed while it was in use; "
                "what it held is brought into the file",
            )


def require_in_place(watch: FileWatch, _: sqlite3.Connection) -> None:
    """Make sure that the file still stands where it stood, also while nothing is written.

    Raises:
        StorageUnavailable: it was removed or replaced.
    """
    with translated(watch.path):
        watch.check()


def identity_of(path: str) -> Identity:
    """Return which file stands at `path`, whatever it is called.

    Raises:
        OSError: there is none.
    """
    found = os.stat(path)  # noqa: PTH116  Path.stat costs three times as much
    return found.st_dev, found.st_ino
