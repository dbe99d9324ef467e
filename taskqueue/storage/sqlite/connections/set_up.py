"""Opens connections to the file, and sets each up for what it is to do."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import require_whole
from taskqueue.storage.sqlite.disk.log_space import LONGEST_BYTES
from taskqueue.storage.sqlite.schema.runner import require_ours, require_version

Mode: TypeAlias = Literal["ro", "rw", "rwc"]
SetUp: TypeAlias = Callable[[sqlite3.Connection], object]

# Source: https://sqlite.org/pragma.html#pragma_synchronous
_SYNCHRONOUS = {"OFF": 0, "NORMAL": 1, "FULL": 2, "EXTRA": 3}


def connect(
    path: Path,
    mode: Mode,
    *,
    busy_timeout_s: float,
    set_up: SetUp,
    own_sectors: bool = False,
    any_thread: bool = False,
) -> sqlite3.Connection:
    """Connect to the file at `path`; only `rwc` creates it. Nothing stays open if `set_up` raises.

    Only this thread may use it, unless `any_thread`: then threads must take turns.
    With `own_sectors` no commit shares a sector of the disk with the one before.

    Raises:
        StorageUnavailable, StorageCorrupt: as `faults` translates what SQLite says.
    """
    with translated(path):
        db = sqlite3.connect(
            # as_uri quotes what would end the path: ? # %
            f"{path.as_uri()}?mode={mode}" + ("&psow=0" if own_sectors else ""),
            uri=True,
            timeout=busy_timeout_s,
            check_same_thread=not any_thread,
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
    require_version(db, version)
    require_ours(db, path)
    if check:
        require_whole(db, path)
    set_up_log(db)
    require(db, "synchronous", _SYNCHRONOUS[synchronous])
    require(db, "foreign_keys", 0)  # however SQLite was built: see handler_sql
    require(db, "wal_autocheckpoint", 0)  # SQLite ignores the errors of its own checkpoints
    require(db, "journal_size_limit", LONGEST_BYTES)
    require(db, "cache_size", -32 * 1024)  # KiB
    require(db, "busy_timeout", 0)  # the writer has its own way to wait


def set_up_log(db: sqlite3.Connection) -> None:
    """Have commits go to a log beside the file: SQLite's WAL mode, which stays set."""
    require(db, "journal_mode", "wal")


def set_up_reader(db: sqlite3.Connection) -> None:
    """Keep a connection from writing; make sure that the others have put the file in WAL mode.

    A connection opened as `ro` never checkpoints, not even as the last to close, which `query_only`
    does not prevent. As it has read the file, it also keeps those that close before it from that.
    """
    require(db, "query_only", 1)
    verify(db, "journal_mode", "wal")


def set_up_checkpointer(db: sqlite3.Connection) -> None:
    """Let only what is safe in the log go into the file."""
    require(db, "synchronous", _SYNCHRONOUS["FULL"])
    require(db, "wal_autocheckpoint", 0)


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
        db.execute("PRAGMA auto_vacuum = INCREMENTAL").fetchall()
    require(db, "wal_autocheckpoint", 0)


def require(db: sqlite3.Connection, pragma: str, value: str | int) -> None:
    """Set a pragma, and make sure that it is set.

    A pragma may do its work, and fail, only when it has been read to its end: a switch to WAL
    commits then, and the error of a statement that is given up earlier is lost.

    Raises:
        StorageUnavailable: SQLite has not done it, and did not say why.
        sqlite3.Error: it has said why.
    """
    db.execute(f"PRAGMA {pragma} = {value}").fetchall()
    verify(db, pragma, value)


def verify(db: sqlite3.Connection, pragma: str, value: str | int) -> None:
    """Make sure that a pragma has this value.

    Raises:
        StorageUnavailable: it has not.
    """
    found = db.execute(f"PRAGMA {pragma}").fetchall()
    if found != [(value,)]:
        raise StorageUnavailable(f"SQLite does not set {pragma} to {value}: it is {found}")
