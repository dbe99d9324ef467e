"""Notices that the database file is no longer the one that was opened, or no database."""

import errno
import os
import sqlite3
from pathlib import Path

from taskqueue.errors import StorageCorrupt
from taskqueue.storage.sqlite.faults import translated
from taskqueue.storage.sqlite.lock import PRIVATE_FILE

PRIVATE_FOLDER = 0o700

_MAGIC = b"SQLite format 3\0"


def make_folder(folder: Path) -> None:
    """Make a folder with its parents, for its owner alone; harmless if it is there."""
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(exist_ok=True)  # raises if it is something else


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
    """
    found = os.pread(descriptor, len(_MAGIC), 0)
    if found not in (b"", _MAGIC):
        raise StorageCorrupt(str(path), "file is not a database (SQLITE_NOTADB)")


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

    SQLite goes on writing into a file that was removed, and such writes are lost. A `stat` costs
    a microsecond, so it is asked around every transaction.
    """

    def __init__(self, path: Path | str, identity: tuple[int, int] | None = None) -> None:
        """Watch over the file that is there now, or the one of this `identity`."""
        self._place = str(path)
        self._identity = identity or self._look()

    def __reduce__(self) -> tuple[object, ...]:
        """Say in few words how to make it again: it goes to the writer with each commit."""
        return FileWatch, (self._place, self._identity)

    @property
    def path(self) -> Path:
        """Where the file is to stand."""
        return Path(self._place)

    def is_there(self) -> bool:
        """Tell whether the file still stands where it stood."""
        try:
            return self._look() == self._identity
        except FileNotFoundError:
            return False

    def check(self) -> None:
        """Raise `FileNotFoundError` if the file was removed or replaced."""
        if not self.is_there():
            raise FileNotFoundError(errno.ENOENT, "database file is gone or was replaced")

    def _look(self) -> tuple[int, int]:
        found = os.stat(self._place)  # noqa: PTH116  Path.stat costs three times as much
        return found.st_dev, found.st_ino


def require_in_place(watch: FileWatch, _: sqlite3.Connection) -> None:
    """Make sure that the file still stands where it stood, also while nothing is written.

    Raises:
        StorageUnavailable: it was removed or replaced.
    """
    with translated(watch.path):
        watch.check()
