"""Opens connections to the file, and sets each up for what it is to do."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from taskqueue.errors import SchemaMismatch
from taskqueue.storage.migrations.runner import require_ours
from taskqueue.storage.sqlite.faults import translated
from taskqueue.storage.sqlite.file import require_whole

Mode: TypeAlias = Literal["rw", "rwc"]
SetUp: TypeAlias = Callable[[sqlite3.Connection], object]

_PAGE_BYTES = 4096
_LONGEST_LOG_BYTES = 48 * 1024 * 1024


def connect(path: Path, mode: Mode, *, busy_timeout_s: float, set_up: SetUp) -> sqlite3.Connection:
    """Connect to the file at `path`; `rw` never creates it. Nothing stays open if `set_up` raises.

    Raises:
        StorageUnavailable, StorageCorrupt: as `faults` translates what SQLite says.
    """
    with translated(path):
        db = sqlite3.connect(
            f"{path.as_uri()}?mode={mode}",  # as_uri quotes what would end the path: ? # %
            uri=True,
            timeout=busy_timeout_s,
            isolation_level=None,  # transactions begin where we say so
            cached_statements=512,  # see `bulk`: one that takes many rows has many lengths
        )
        try:
            set_up(db)
        except BaseException:
            db.close()
            raise
        return db


def set_up_writer(
    db: sqlite3.Connection, *, path: Path, version: int, synchronous: str, check: bool
) -> None:
    """Let a connection write, if the schema has this `version`, and all is sound if we `check`.

    Raises:
        SchemaMismatch, ForeignSchema, StorageCorrupt: if not.
    """
    [found] = db.execute("PRAGMA user_version").fetchone()
    if found != version:
        raise SchemaMismatch(found, version)
    require_ours(db, path)
    if check:
        require_whole(db, path)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {synchronous}")
    db.execute("PRAGMA foreign_keys = OFF")  # however SQLite was built: see handler_sql
    # The checkpointer keeps the log far below this. If it cannot, a commit is stalled instead.
    db.execute(f"PRAGMA wal_autocheckpoint = {_LONGEST_LOG_BYTES // _PAGE_BYTES}")
    db.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG_BYTES}")
    db.execute(f"PRAGMA cache_size = -{32 * 1024}")  # KiB
    db.execute("PRAGMA busy_timeout = 0")  # the writer has its own way to wait


def set_up_reader(db: sqlite3.Connection) -> None:
    """Keep a connection from writing."""
    db.execute("PRAGMA query_only = ON")


def set_up_checkpointer(db: sqlite3.Connection) -> None:
    """Let only what is safe in the log go into the file."""
    db.execute("PRAGMA synchronous = FULL")


def set_up_migration(db: sqlite3.Connection, *, path: Path) -> None:
    """Let a new file shrink again.

    Raises:
        ForeignSchema: the file is another program's.
    """
    require_ours(db, path)
    # Heeded only before the first table and outside a transaction; later it would rewrite the
    # header even of a file that is then refused.
    [version] = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
