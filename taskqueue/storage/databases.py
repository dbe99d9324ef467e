"""The engines by the scheme of their URLs.

A new engine is a line in `DATABASES`, one in `backend_of` and one in `tokens_of`.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.versions import Fleet
from taskqueue.storage.backend import Backend, Database
from taskqueue.storage.examination import Examination, ServerExamination
from taskqueue.storage.lifecycle import Migration, Schema
from taskqueue.storage.memory.database import MemoryDatabase
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.tokens import Tokens

DATABASES: Mapping[str, type[Database]] = MappingProxyType(
    {database.scheme: database for database in (SQLiteDatabase, PostgresDatabase, MemoryDatabase)}
)
_ALIASES = {"postgres": PostgresDatabase.scheme}

DEFAULT: Database = SQLiteDatabase(path=Path("data/tasks.db"))

# With two slashes it is a URL whatever comes before them; `odd:name.db` is a path.
_URL = re.compile(rf"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://|(?P<plain>{'|'.join(DATABASES)}|file):")


def named(text: str) -> Database | None:
    """Return the database that a URL or a path names, None if it names none.

    Raises:
        ValueError: no engine has this scheme, or the engine refuses the URL.
    """
    found = _URL.match(text)
    if found is None:
        return SQLiteDatabase.at(text)
    scheme = found["scheme"] or found["plain"]
    scheme = _ALIASES.get(scheme, scheme)
    if scheme not in DATABASES:
        known = ", ".join(f"{each.scheme} ({each.example})" for each in DATABASES.values())
        # The rest is not repeated: it may hold a password.
        raise ValueError(f"no engine has the scheme {scheme!r}; known are: {known}")
    return DATABASES[scheme].named(text)


def backend_of(database: Database) -> Backend:
    """Return the engine of `database`, and start ahead what it will need."""
    # Imported late: reading the settings needs no engine, and a service needs one.
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.backend import SQLiteBackend  # noqa: PLC0415

            return SQLiteBackend(database)
        case PostgresDatabase():
            from taskqueue.storage.postgres.backend import PostgresBackend  # noqa: PLC0415

            return PostgresBackend(database)
        case MemoryDatabase():
            from taskqueue.storage.memory.backend import MemoryBackend  # noqa: PLC0415

            return MemoryBackend()
        case _:
            raise TypeError(f"no engine serves {type(database).__name__}")


def tokens_of(database: Database, *, make: bool) -> AbstractAsyncContextManager[Tokens]:
    """Open the access tokens for a tool, beside the service if one runs on `database`.

    Args:
        database: which one.
        make: make a file if there is none.

    Raises:
        StorageUnavailable: they cannot be read or written, on entering or later.
        SchemaMismatch: on entering, the service of another release holds the database.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.tokens_file import tokens_file  # noqa: PLC0415

            return tokens_file(database.path, make=make)
        case PostgresDatabase():
            from taskqueue.storage.postgres.tools import tokens_in  # noqa: PLC0415

            return tokens_in(database)
        case _:
            raise StorageUnavailable(f"tokens need a database file, and {database} is none")


def back_up(database: Database, target: Path, on_progress: Callable[[int, int], object]) -> int:
    """Copy `database` to a new file, beside the service if one runs on it; return the bytes.

    Meanwhile `on_progress` is called with how much was copied, and how much that is in all.

    Raises:
        StorageUnavailable: `target` exists, one of the two cannot be used, or there is no file.
        StorageError: what is at `database` is damaged or another program's.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.inspection import back_up  # noqa: PLC0415

            return back_up(database.path, target, on_progress)
        case _:
            raise StorageUnavailable(f"a backup needs a database file, and {database} is none")


def faults_of(database: Database) -> tuple[str, ...]:
    """Return what is wrong with `database`, a sentence each, beside the service if one runs on it.

    Raises:
        StorageUnavailable: it cannot be read, or is no file.
        StorageError: it cannot be checked: damaged, another program's, of another release.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.inspection import faults_of  # noqa: PLC0415

            return faults_of(database.path)
        case _:
            raise StorageUnavailable(f"a check needs a database file, and {database} is none")


def schema_of(database: Database) -> Schema:
    """Return the schema of `database`, beside the service if one runs on it.

    Raises:
        StorageUnavailable: there is no file, or it cannot be read.
        StorageError: it is damaged, another program's, or of a newer release.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.migrating import schema_of  # noqa: PLC0415

            return schema_of(database.path)
        case PostgresDatabase():
            from taskqueue.storage.postgres import tools  # noqa: PLC0415

            return tools.schema_of(database)
        case _:
            raise StorageUnavailable(f"a migration needs a database file, and {database} is none")


async def migrate(database: Database) -> tuple[Migration, ...]:
    """Bring the schema of `database` up to date while no service runs; return the steps taken.

    Raises:
        StorageUnavailable: a service holds it, it cannot be written, or it is no file.
        StorageError: it is damaged, another program's, or of a newer release.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.migrating import migrate  # noqa: PLC0415

            return await migrate(database.path)
        case PostgresDatabase():
            from taskqueue.storage.postgres import tools  # noqa: PLC0415

            return await tools.migrate(database)
        case _:
            raise StorageUnavailable(f"a migration needs a database file, and {database} is none")


def fleet_of(database: Database, *, now: float) -> tuple[Fleet, float] | None:
    """Return which release a database and the nodes on it have, and the instant by its clock.

    None if nothing is kept there, or there is no database yet. Only an engine for several nodes
    knows them.

    Raises:
        StorageError: it cannot be read, is damaged, another program's, or of a newer release.
    """
    match database:
        case PostgresDatabase():
            from taskqueue.storage.postgres import tools  # noqa: PLC0415

            return tools.fleet_of(database)
        case SQLiteDatabase() if database.path.exists():
            schema = schema_of(database)
            return Fleet(schema=schema.version, wanted=schema.wanted, nodes=()), now
        case _:
            return None


def examined(database: Database) -> Examination | ServerExamination | None:
    """Return what can be found out about `database` and where it is; None if it is kept nowhere."""
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.sqlite.examination import examine  # noqa: PLC0415

            return examine(database.path)
        case PostgresDatabase():
            from taskqueue.storage.postgres import examination  # noqa: PLC0415

            return examination.examine(database)
        case _:
            return None
