"""Notices that the database file is no longer the one that was opened."""

import errno
import os
from pathlib import Path


class FileWatch:
    """Remembers which file stands at `path`; raises `OSError` if there is none.

    SQLite goes on writing into a file that was removed, and such writes are lost. A `stat` costs
    a microsecond, so it is asked around every transaction.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._look()

    def check(self) -> None:
        """Raise `FileNotFoundError` if the file was removed or replaced."""
        try:
            same = self._look() == self._identity
        except FileNotFoundError:
            same = False
        if not same:
            raise FileNotFoundError(errno.ENOENT, "database file is gone or was replaced")

    def _look(self) -> tuple[int, int]:
        found = os.stat(self._path)  # noqa: PTH116  Path.stat costs three times as much
        return found.st_dev, found.st_ino
