"""Translates SQLite's errors into those of taskqueue."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskqueue.errors import StorageCorrupt, StorageError, StorageReadOnly, StorageUnavailable
from taskqueue.storage.sqlite.errors import SyncFailed

# Primary result codes; the extended ones carry them in their lowest byte.
_UNAVAILABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_CORRUPT = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_NOTADB})


def storage_error(error: BaseException, path: Path) -> StorageError | None:
    """Return what `error` means to a user of the storage; None if it is a mistake of the caller.

    Locked, full, unreadable and gone are `StorageUnavailable`; a file that is no database is
    `StorageCorrupt`. A value that SQLite refuses is neither.
    """
    if isinstance(error, StorageError):
        return error
    if isinstance(error, OSError):
        return StorageUnavailable(f"{path}: {error.strerror or error}")
    if not isinstance(error, sqlite3.Error):
        return None
    # An error that Python's module raises by itself has no code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    if code in _CORRUPT:
        # SQLite makes SQLITE_CORRUPT of an EIO (SQLITE_IOERR_CORRUPTFS), without a trace of it.
        also = " or cannot be read from the disk" if code == sqlite3.SQLITE_CORRUPT else ""
        return StorageCorrupt(str(path), f"{error}{also} ({error.sqlite_errorname})")
    if code == sqlite3.SQLITE_READONLY:
        return StorageReadOnly(f"{path}: {error} ({error.sqlite_errorname})")
    if code in _UNAVAILABLE:
        return StorageUnavailable(f"{path}: {error} ({error.sqlite_errorname})")
    return None


def checkpoint_error(error: BaseException, path: Path) -> StorageError | None:
    """Return what `error` of a checkpoint means: as `storage_error`, but for a sync that failed.

    The kernel drops the pages that it could not write, and the next sync succeeds without them.
    """
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_IOERR_FSYNC:
        return SyncFailed(f"{path}: a sync failed ({error}): the whole log has to be written again")
    return storage_error(error, path)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise what `storage_error` makes of an error in the block; others pass as they are."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        if (fault := storage_error(error, path)) is None:
            raise
        raise fault from error
