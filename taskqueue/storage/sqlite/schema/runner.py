"""Takes the numbered steps that a database lacks, all in one transaction.

A step is a file `0001_name.sql` beside this one. A step that was released is never edited; a change
is the next number. A step may call `error_pattern`.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from taskqueue.errors import ForeignSchema, SchemaMismatch
from taskqueue.rules.summaries import error_pattern
from taskqueue.storage.lifecycle import Migration
from taskqueue.structs import Struct


class Step(Struct):
    """One numbered change of the schema."""

    version: int
    name: str
    sql: str


def _steps() -> tuple[Step, ...]:
    found = []
    for script in files(__package__).iterdir():
        version, _, name = script.name.partition("_")
        if name.endswith(".sql"):
            step = Step(
                version=int(version), name=name.removesuffix(".sql"), sql=script.read_text("utf-8")
            )
            found.append(step)
    return tuple(sorted(found, key=lambda step: step.version))


SQLITE_STEPS = _steps()
SQLITE_VERSION = SQLITE_STEPS[-1].version


def _tables(steps: tuple[Step, ...]) -> frozenset[str]:
    return frozenset(name for step in steps for name in re.findall(r"CREATE TABLE (\w+)", step.sql))


_TABLES = _tables(SQLITE_STEPS)
_FIRST_TABLES = _tables(SQLITE_STEPS[:1])  # every version has them


def version_of(db: sqlite3.Connection) -> int:
    """Return the schema version that the database says it has, 0 if none was ever set."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def require_version(db: sqlite3.Connection, wanted: int = SQLITE_VERSION) -> None:
    """Make sure that the database has the schema of this release, or another one that is wanted.

    Raises:
        SchemaMismatch: it has not.
    """
    found = version_of(db)
    if found != wanted:
        raise SchemaMismatch(_place_of(db), found, wanted)


def _place_of(db: sqlite3.Connection) -> str:
    [place] = db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()
    return str(place)


def migrate(
    db: sqlite3.Connection, steps: tuple[Step, ...] = SQLITE_STEPS
) -> tuple[Migration, ...]:
    """Take the steps that are missing, all or none; return what was taken.

    Others wait, or are told that the database is locked, until it is done.

    Raises:
        SchemaMismatch: the database is newer than the last step.
    """
    db.create_function("error_pattern", 1, error_pattern, deterministic=True)
    db.execute("BEGIN EXCLUSIVE")
    try:
        lacking = missing(steps, db)
        for step in lacking:
            for statement in _statements(step.sql):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {step.version}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return migrations(lacking)


def migrations(steps: Iterable[Step]) -> tuple[Migration, ...]:
    """Return steps as those outside the storage know them."""
    return tuple(Migration(version=step.version, name=step.name) for step in steps)


def require_ours(db: sqlite3.Connection, path: Path) -> None:
    """Make sure that a database is this queue's, or has no table that the queue would make.

    Other programs number their schemas as well, and have tables named `tasks`.

    Raises:
        ForeignSchema: it is another program's.
    """
    found = db.execute("SELECT lower(name) FROM main.sqlite_master WHERE type = 'table'")
    tables = {name for [name] in found.fetchall()}
    version = version_of(db)
    if version == 0 and (taken := _TABLES & tables):
        raise ForeignSchema(str(path), f"has a table {min(taken)} that is not taskqueue's")
    if 0 < version <= SQLITE_VERSION and (lacking := _FIRST_TABLES - tables):
        raise ForeignSchema(
            str(path), f"is another program's: schema version {version}, no table {min(lacking)}"
        )


def other_tables(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return the tables that are not the queue's, such as those that handlers write to."""
    found = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table' ORDER BY name")
    names = (name for [name] in found.fetchall())
    return tuple(name for name in names if name not in _TABLES and not name.startswith("sqlite_"))


def missing(steps: tuple[Step, ...], db: sqlite3.Connection) -> tuple[Step, ...]:
    """Return those of `steps` that a database lacks.

    Raises:
        SchemaMismatch: it is newer than the last step.
    """
    found, wanted = version_of(db), steps[-1].version
    if found > wanted:
        raise SchemaMismatch(_place_of(db), found, wanted)
    return tuple(step for step in steps if step.version > found)


def _statements(script: str) -> Iterator[str]:
    # `executescript` would commit the open transaction first, and with it half a migration.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
