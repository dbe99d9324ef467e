"""Copies and checks a database file, beside the service that may have it open.

Each reads one snapshot, so commits of the service go on meanwhile; only the log cannot shrink.
"""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeAlias

from taskqueue.errors import SchemaMismatch, StorageUnavailable
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import sync_names_in
from taskqueue.storage.sqlite.disk.lock import PRIVATE_FILE, real_path
from taskqueue.storage.sqlite.schema import runner

OnProgress: TypeAlias = Callable[[int, int], object]

_BUSY_S = 5.0
_PART = 4096  # pages, 16 MB
_MOST = 20  # faults of one kind that SQLite names

# What holds for every row of a healthy queue: a sentence, and the number of rows that break it.
_INVARIANTS = (
    (
        "tasks whose status does not say whether they have ended",
        """SELECT count(*) FROM tasks
        WHERE (processed_at IS NOT NULL) <> (status IN ('completed', 'dead', 'cancelled'))""",
    ),
    (
        "ended tasks that a consumer holds",
        "SELECT count(*) FROM tasks WHERE processed_at IS NOT NULL AND token IS NOT NULL",
    ),
    (
        "held tasks whose lease never expires",
        "SELECT count(*) FROM tasks WHERE token IS NOT NULL AND expires_at IS NULL",
    ),
    (
        "tasks whose payload or result is no JSON",
        """SELECT count(*) FROM tasks
        WHERE NOT json_valid(payload) OR (result IS NOT NULL AND NOT json_valid(result))""",
    ),
    (
        "attempts without a task",
        "SELECT count(*) FROM attempts WHERE task NOT IN (SELECT seq FROM tasks)",
    ),
    (
        "statuses whose counter is not the number of their tasks",
        """SELECT count(*) FROM counters
        WHERE tasks <> (SELECT count(*) FROM tasks WHERE tasks.status = counters.status)""",
    ),
)


def _nothing(*_: int) -> None:
    pass


def back_up(source: Path, target: Path, on_progress: OnProgress = _nothing) -> int:
    """Copy the database at `source` to `target`, whole or not at all; return its size in bytes.

    The copy has all that was committed before. It is on disk when this returns, and only its owner
    can read it. Meanwhile `on_progress` is called with the pages that were copied, and those of
    all.

    Raises:
        StorageUnavailable: `target` exists, or one of the two cannot be opened or written.
        StorageCorrupt: `source` is no usable database.
        ForeignSchema: it is another program's.
    """
    if target.exists():
        raise StorageUnavailable(f"{target} exists; choose another name")
    partial = target.with_name(f"{target.name}.partial")
    with opened(source) as db:
        with translated(partial):
            os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        try:
            with translated(partial), closing(sqlite3.connect(partial)) as copy:
                _copy(db, copy, on_progress)
            with translated(target):
                partial.rename(target)
                sync_names_in(target.parent)
        finally:
            partial.unlink(missing_ok=True)
    return target.stat().st_size


def faults_of(path: Path) -> tuple[str, ...]:
    """Return what is wrong with the database at `path`, a sentence each; nothing is changed.

    Raises:
        StorageUnavailable: it cannot be opened or read.
        StorageCorrupt: it is so damaged that it cannot be checked.
        ForeignSchema: it is another program's.
        SchemaMismatch: it is of another release.
    """
    with opened(path) as db, translated(path):
        found = runner.version_of(db)
        if found != runner.SQLITE_VERSION:
            raise SchemaMismatch(str(path), found, runner.SQLITE_VERSION)
        db.execute("BEGIN")  # one snapshot for all
        damages = [text for [text] in db.execute(f"PRAGMA integrity_check({_MOST})")]
        broken = [
            f"{what}: {count}"
            for what, query in _INVARIANTS
            if (count := db.execute(query).fetchone()[0])
        ]
        return (*(text for text in damages if text != "ok"), *broken)


def _copy(db: sqlite3.Connection, copy: sqlite3.Connection, on_progress: OnProgress) -> None:
    # One snapshot for all parts: without it each commit of a service would begin the copy anew.
    # Source: https://sqlite.org/c3ref/backup_finish.html#sqlite3backupstep
    db.execute("BEGIN")
    db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    db.backup(copy, pages=_PART, progress=lambda _, left, pages: on_progress(pages - left, pages))


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the database at `path` for reading.

    Raises:
        StorageUnavailable, StorageCorrupt, ForeignSchema: it cannot be, or it is not the queue's.
    """
    with translated(path):
        db = sqlite3.connect(
            f"{real_path(path).as_uri()}?mode=rw", uri=True, timeout=_BUSY_S, isolation_level=None
        )
    with closing(db):
        with translated(path):
            db.execute("PRAGMA query_only = ON")
            runner.require_ours(db, path)
        yield db
