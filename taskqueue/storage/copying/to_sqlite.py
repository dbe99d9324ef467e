# ruff: noqa: S608  the only texts put together here are those of `tables`
"""Writes a copy into a new SQLite file, which has another name until the copy is complete."""

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager
from functools import partial
from pathlib import Path

import msgspec

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.backend import Database
from taskqueue.storage.copying.from_sqlite import SQLiteReader
from taskqueue.storage.copying.rows import Row, until_value
from taskqueue.storage.copying.sides import Mark, require_same_source
from taskqueue.storage.copying.tables import TABLES, TASKS, Table
from taskqueue.storage.sqlite.backend import HANDOVER_S
from taskqueue.storage.sqlite.connections.set_up import connect, require, set_up_migration
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import make_file, make_folder, sync_names_in
from taskqueue.storage.sqlite.disk.lock import FileLock
from taskqueue.storage.sqlite.schema import runner

UNFINISHED = ".copying"
"""What the name of the file ends with until the copy is complete."""

_UNTIL = TASKS.place("unique_until")
_CACHE_KIB = 64 * 1024

_HAS_MARK = "SELECT count(*) FROM main.sqlite_master WHERE name = 'copying'"
_MAKE_MARK = "CREATE TABLE main.copying (mark TEXT NOT NULL) STRICT"
_FIRST_MARK = "INSERT INTO main.copying (mark) VALUES (?)"
_SET_MARK = "UPDATE main.copying SET mark = ?"
_MARK = "SELECT mark FROM main.copying"
_COUNT = """
UPDATE main.counters
SET tasks = (SELECT count(*) FROM main.tasks WHERE tasks.status = counters.status)
"""


class SQLiteWriter(SQLiteReader):
    """The file that is being made."""

    def __init__(self, db: sqlite3.Connection, path: Path, unfinished: Path, mark: Mark) -> None:
        super().__init__(db, unfinished)
        self._target = path
        self.mark = mark

    async def write(self, table: Table, rows: Sequence[Row], mark: Mark) -> None:
        """Write rows, and how far the copy is with them, in one commit."""
        places = ", ".join("?" * len(table.columns))
        insert = f"INSERT INTO main.{table.name} ({', '.join(table.columns)}) VALUES ({places})"
        stored = map(_stored, rows) if table is TASKS else rows
        with translated(self._path), _transaction(self._db):
            self._db.executemany(insert, stored)
            self._db.execute(_SET_MARK, (_text(mark),))

    async def finish(self) -> None:
        """Count the tasks, and give the file its name."""
        with translated(self._path):
            with _transaction(self._db):
                self._db.execute(_COUNT)
                self._db.execute("DROP TABLE main.copying")
            self._db.close()
            self._path.rename(self._target)
            sync_names_in(self._target.parent)


@asynccontextmanager
async def writing(
    database: SQLiteDatabase, *, source: Database, start_over: bool
) -> AsyncIterator[SQLiteWriter]:
    """Lock the name of a file that is not there, and make it beside, or go on with that.

    Raises:
        StorageUnavailable: there is such a file, it is being made by another, or cannot be.
        StorageCorrupt: what was made is damaged.
    """
    path = database.path
    unfinished = path.with_name(f"{path.name}{UNFINISHED}")
    with translated(path):
        make_folder(path.parent)
    lock = await FileLock.take(path, within_s=HANDOVER_S)
    try:
        if path.exists():
            raise StorageUnavailable(f"{path} exists; a copy makes a new file, so choose another")
        _require_no_log(path)
        if start_over:
            _remove(unfinished)
        with translated(unfinished):
            make_file(unfinished)
        with closing(_connected(unfinished)) as db:
            with translated(unfinished):
                mark = _begun(db, unfinished, source=str(source))
            yield SQLiteWriter(db, path, unfinished, mark)
    finally:
        lock.release()


def _require_no_log(path: Path) -> None:
    for suffix in ("-wal", "-journal"):
        log = path.with_name(path.name + suffix)
        if log.exists():  # SQLite would apply it to the copy
            raise StorageUnavailable(f"{log} is left of another database; move it away")


def _connected(path: Path) -> sqlite3.Connection:
    db = connect(
        path,
        "rw",
        busy_timeout_s=HANDOVER_S,
        set_up=partial(set_up_migration, path=path),
    )
    require(db, "cache_size", -_CACHE_KIB)
    return db


def _begun(db: sqlite3.Connection, path: Path, *, source: str) -> Mark:
    """Return how far the copy is in this file, which is made ready for one."""
    runner.migrate(db)
    if db.execute(_HAS_MARK).fetchone() == (1,):
        [text] = db.execute(_MARK).fetchone()
        mark = msgspec.json.decode(text, type=Mark)
        require_same_source(mark, source, str(path))
        return mark
    for table in TABLES:
        if db.execute(f"SELECT 1 FROM main.{table.name} LIMIT 1").fetchone():
            raise StorageUnavailable(
                f"{path} is no copy that could be gone on with; --start-over deletes it"
            )
    mark = Mark(source=source)
    with _transaction(db):
        db.execute(_MAKE_MARK)
        db.execute(_FIRST_MARK, (_text(mark),))
    return mark


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _stored(row: Row) -> Row:
    """Return a row of tasks as SQLite stores it: a number of seconds is a number."""
    until = until_value(row[_UNTIL])
    return row if until is None else (*row[:_UNTIL], until, *row[_UNTIL + 1 :])


def _remove(unfinished: Path) -> None:
    with translated(unfinished):
        for end in ("-journal", ""):
            unfinished.with_name(f"{unfinished.name}{end}").unlink(missing_ok=True)


def _text(mark: Mark) -> str:
    return msgspec.json.encode(mark).decode()
