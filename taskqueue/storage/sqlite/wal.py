"""Brings the write-ahead log into the file, from whatever connection."""

import contextlib
import sqlite3

from taskqueue.storage.sqlite.file import FileWatch


def checkpoint(db: sqlite3.Connection) -> int:
    """Bring as much as can be into the file without waiting; return the pages in the log."""
    _, pages, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return int(pages)


def part(watch: FileWatch, db: sqlite3.Connection) -> None:
    """Let a file that was moved take all its commits along.

    Else those that are only in the log stay behind, and another file in its place gets them.
    """
    with contextlib.suppress(sqlite3.Error, OSError):
        if not watch.is_there():
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
