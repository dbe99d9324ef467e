"""Examines a database file and its disk, beside the service that may have it open."""

import os
import sqlite3
import stat
from pathlib import Path

from taskqueue.errors import StorageError
from taskqueue.storage.examination import Contents, Disk, Examination, File
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import require_header
from taskqueue.storage.sqlite.disk.holder import holder_of
from taskqueue.storage.sqlite.disk.lock import real_path
from taskqueue.storage.sqlite.disk.probe import free_bytes, kind_of, sync_times
from taskqueue.storage.sqlite.inspection import opened
from taskqueue.storage.sqlite.schema import runner

# Each instant is that of an event, so none may be in the future, unlike `run_at`.
_LATEST = """SELECT max(
    (SELECT coalesce(max(created_at), 0) FROM tasks),
    (SELECT coalesce(max(processed_at), 0) FROM tasks WHERE processed_at IS NOT NULL)
)"""
_WAITING = """SELECT action, count(*) FROM tasks WHERE processed_at IS NULL
GROUP BY action ORDER BY action"""


def examine(path: Path) -> Examination:
    """Return what can be found out about the database at `path`.

    Nothing is changed: a few syncs are tried with a temporary file in its folder.
    """
    path = real_path(path)
    return Examination(
        path=path,
        disk=_disk(path),
        file=_file(path),
        holder=holder_of(path),  # before SQLite opens it: see `lock` about descriptors
        contents=_contents(path),
    )


def _disk(path: Path) -> Disk:
    folder = next(folder for folder in path.parents if folder.is_dir())
    return Disk(
        folder=folder,
        is_writable=os.access(folder, os.W_OK | os.X_OK),
        kind=kind_of(folder),
        free_bytes=free_bytes(folder),
        sync_s=sync_times(folder),
    )


def _file(path: Path) -> File | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return File(
        owner=found.st_uid,
        mode=stat.S_IMODE(found.st_mode),
        is_ours=found.st_uid == os.geteuid(),
        is_usable=os.access(path, os.R_OK | os.W_OK),
    )


def _contents(path: Path) -> Contents | StorageError | None:
    if _is_absent(path):
        return None
    try:
        with translated(path):
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                require_header(path, descriptor)
            finally:
                os.close(descriptor)
        with opened(path) as db, translated(path):
            return _read(db)
    except StorageError as error:
        return error


def _is_absent(path: Path) -> bool:
    """Return whether there is no file yet; one that cannot be reached is another matter."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


def _read(db: sqlite3.Connection) -> Contents:
    version = runner.version_of(db)
    is_readable = 0 < version <= runner.SQLITE_VERSION
    return Contents(
        version=version,
        wanted=runner.SQLITE_VERSION,
        waiting=dict(db.execute(_WAITING).fetchall()) if is_readable else {},
        latest_at=(db.execute(_LATEST).fetchone()[0] or None) if is_readable else None,
    )
