"""Where to measure: on the disk of the database, and never in the database."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskqueue.settings import Settings
from taskqueue.storage.sqlite.database import SQLiteDatabase


class CannotMeasure(Exception):
    """Nothing can be measured there; the text says why, in one line."""


def file_of(settings: Settings) -> SQLiteDatabase:
    """Return the database of the service.

    Raises:
        CannotMeasure: it is on no disk.
    """
    if isinstance(settings.database, SQLiteDatabase):
        return settings.database
    raise CannotMeasure(f"database: expected a file to measure its disk, got {settings.database}")


@contextmanager
def temporary_folder(database: Path) -> Iterator[Path]:
    """Give a folder beside `database`, which need not exist; it is gone afterwards.

    Raises:
        CannotMeasure: no folder can be made there.
    """
    folder = make_folder_beside(database, ".taskqueue-bench-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def make_folder_beside(database: Path, prefix: str) -> Path:
    """Make a folder whose name begins with `prefix` beside `database`, which need not exist.

    Where the folder of the database is missing it is not made: the next one above it serves.

    Raises:
        CannotMeasure: no folder can be made there.
    """
    beside = next(folder for folder in database.absolute().parents if folder.exists())
    try:
        return Path(tempfile.mkdtemp(prefix=prefix, dir=beside))
    except OSError as error:
        raise CannotMeasure(f"database: cannot write in {beside}: {error.strerror}") from error
