"""Brings the write-ahead log into the file, from whatever connection."""

import contextlib
import sqlite3

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.disk.faults import checkpoint_error
from taskqueue.storage.sqlite.disk.file import FileWatch


def checkpoint(db: sqlite3.Connection) -> int:
    """Bring as much as can be into the file without waiting; return the pages in the log."""
    [(_, pages, _)] = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return int(pages)


def data_version(db: sqlite3.Connection) -> int:
    """Return a number that changes when another connection has committed, and only then.

    Source: https://sqlite.org/pragma.html#pragma_data_version
    """
    [(version,)] = db.execute("PRAGMA data_version").fetchall()
    return int(version)


def part(watch: FileWatch, db: sqlite3.Connection) -> None:
    """Let a file that was moved, or whose log was removed, take all its commits along.

    Else those that are only in the log stay behind, and another file in its place gets them; or
    they are lost, because a log without a name ends with the last connection to it.

    Raises:
        StorageUnavailable: the log was removed, and some of it cannot be brought into the file.
    """
    if not watch.is_there():
        with contextlib.suppress(sqlite3.Error, OSError):
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    elif not watch.log_is_there():
        _rescue(watch, db)


def _rescue(watch: FileWatch, db: sqlite3.Connection) -> None:
    try:
        [(_, pages, done)] = db.execute("PRAGMA wal_checkpoint(FULL)").fetchall()
    except sqlite3.Error as error:
        raise checkpoint_error(error, watch.path) or error from error
    if done < pages:
        raise StorageUnavailable(
            f"{watch.path}-wal was removed, and another process reads what it held: end that"
        )
