"""The file through which processes of one machine agree which of them runs the service.

tasks.db.service    locked by the process that runs the service; its text is the service's URL
"""

import fcntl
import os
from pathlib import Path

from taskqueue.process.forks import close_in_children
from taskqueue.storage.backend import Database

_CLOSED = -1
_MOST_BYTES = 4096


class ServiceFile:
    """The file of one database, open; without a file, each process runs a service of its own."""

    def __init__(self, path: Path | None) -> None:
        """Open the file, and make it if there is none.

        Raises:
            OSError: it cannot be opened.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = _CLOSED if path is None else os.open(path, flags, 0o600)
        self._url: str | None = None
        close_in_children(self)

    @classmethod
    def at(cls, database: Database) -> "ServiceFile":
        """Open the file of a database; raises as the class does."""
        return cls(database.service_file())

    def take(self) -> bool:
        """Become the process that runs the service; False if another process is."""
        if self._descriptor == _CLOSED:
            return True
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    @property
    def url(self) -> str | None:
        """Where the service listens, or listened last; None if that is not known."""
        if self._descriptor == _CLOSED:
            return self._url
        text = os.pread(self._descriptor, _MOST_BYTES, 0).decode(errors="replace")
        return text.strip() if text.endswith("\n") else None

    def announce(self, url: str) -> None:
        """Tell the other processes where the service listens."""
        self._url = url
        if self._descriptor != _CLOSED:
            text = f"{url}\n".encode()
            os.pwrite(self._descriptor, text, 0)
            os.ftruncate(self._descriptor, len(text))

    def close(self) -> None:
        """Let another process run the service. Calling it twice is harmless."""
        if self._descriptor != _CLOSED:
            descriptor, self._descriptor = self._descriptor, _CLOSED
            os.close(descriptor)
