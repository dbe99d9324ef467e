"""Brings the schema of a file up to date for a tool, while no service holds the file."""

from pathlib import Path

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.lifecycle import Migration, Schema
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.storage.sqlite.inspection import opened
from taskqueue.storage.sqlite.schema import runner


def schema_of(path: Path) -> Schema:
    """Return the schema of the database at `path`, beside a service that may have it open.

    Raises:
        StorageUnavailable: there is none, or it cannot be read.
        StorageCorrupt, ForeignSchema: it is no database of the queue.
        SchemaMismatch: it is of a newer release.
    """
    require_file(path)
    with opened(path) as db, translated(path):
        return Schema(
            version=runner.version_of(db),
            wanted=runner.SQLITE_VERSION,
            pending=runner.migrations(runner.missing(runner.SQLITE_STEPS, db)),
        )


async def migrate(path: Path) -> tuple[Migration, ...]:
    """Make the database at `path`, or take the steps that it lacks, all or none; return them.

    The file is locked meanwhile, as by a service.

    Raises:
        StorageUnavailable: a service holds it, or it cannot be written.
        StorageCorrupt, ForeignSchema: it is no database of the queue.
        SchemaMismatch: it is of a newer release.
    """
    storage = SQLiteStorage(path)
    try:
        return await storage.migrate()
    finally:
        await storage.close()


def require_file(path: Path) -> None:
    """Make sure that there is a file.

    Raises:
        StorageUnavailable: there is none.
    """
    if not path.exists():
        raise StorageUnavailable(f"there is no {path}; the service makes it when it starts")
