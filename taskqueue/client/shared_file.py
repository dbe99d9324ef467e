"""The file of a service on this machine, as the part of a client that is not about any verb."""

from collections.abc import Iterator
from contextlib import contextmanager

from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import ConfigError, Fault, ServiceUnavailable, StorageUnavailable
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.direct import SharedFile
from taskqueue.storage.sqlite.disk.log_writes import LogWatch, LogWrites


class ServiceFile:
    """The file, opened when it is needed, and the time."""

    def __init__(self, url: str, *, patience_s: float, clock: Clock | None = None) -> None:
        """Make one; the file is opened by the first call.

        Args:
            url: `sqlite:///data/tasks.db`, or with four slashes for an absolute path.
            patience_s: the longest wait for another process that writes, in seconds.
            clock: the time.

        Raises:
            ConfigError: the URL names no file.
        """
        self._url = url
        self._file = SharedFile(_database(url).path, patience_s=patience_s)
        self._clock = clock or SystemClock()
        self.writes = LogWrites(self._file.log)

    def watch(self) -> LogWatch:
        """Watch the write-ahead log, to which every commit is written.

        Raises:
            OSError: the system does not tell of writes.
        """
        return LogWatch(self._file.log)

    def version(self) -> tuple[int, int]:
        """Return what changes with every commit, of whatever process; no row is read for it.

        Raises:
            ServiceUnavailable: the file cannot be read.
        """
        with self._reachable():
            return self._file.version()

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._file.close()

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        try:
            yield
        except StorageUnavailable as error:
            raise ServiceUnavailable(self._url, error.reason) from error


def _database(url: str) -> SQLiteDatabase:
    try:
        database = SQLiteDatabase.named(url)
    except ValueError as error:
        raise ConfigError((Fault("url", str(error)),)) from error
    if database is None:
        raise ConfigError((Fault("url", f"must name a file, not {url!r}"),))
    return database
