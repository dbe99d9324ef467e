"""Chooses how a copy reads and writes a database, by its engine."""

from contextlib import AbstractAsyncContextManager

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.backend import Database
from taskqueue.storage.copying.sides import Reader, Writer
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.sqlite.database import SQLiteDatabase


def reader_of(database: Database) -> AbstractAsyncContextManager[Reader]:
    """Lock a database against services, and read it.

    Raises:
        StorageUnavailable: on entering: it is served, cannot be read, or keeps nothing.
        StorageError: on entering: it is damaged, another program's, or of another release.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.copying import from_sqlite  # noqa: PLC0415

            return from_sqlite.reading(database)
        case PostgresDatabase():
            from taskqueue.storage.copying import from_postgres  # noqa: PLC0415

            return from_postgres.reading(database)
        case _:
            raise StorageUnavailable(f"{database} keeps nothing that could be copied")


def writer_of(
    database: Database, *, source: Database, start_over: bool
) -> AbstractAsyncContextManager[Writer]:
    """Lock a database against services, and begin a copy of `source` there or go on with it.

    Raises:
        StorageUnavailable: on entering: it is served, cannot be written, has something of its own,
            or half a copy of another database, unless `start_over` says to delete that.
        StorageError: on entering: it is damaged, another program's, or of a newer release.
    """
    match database:
        case SQLiteDatabase():
            from taskqueue.storage.copying import to_sqlite  # noqa: PLC0415

            return to_sqlite.writing(database, source=source, start_over=start_over)
        case PostgresDatabase():
            from taskqueue.storage.copying import to_postgres  # noqa: PLC0415

            return to_postgres.writing(database, source=source, start_over=start_over)
        case _:
            raise StorageUnavailable(f"{database} would keep nothing of a copy")
