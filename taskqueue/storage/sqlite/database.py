"""SQLite in the settings: which file, and how its commits are synced."""

import os
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, TypeAlias
from urllib.parse import unquote_to_bytes, urlsplit

from msgspec.structs import replace

from taskqueue.storage.backend import Database

Synchronous: TypeAlias = Literal["EXTRA", "FULL", "NORMAL"]


class SQLiteDatabase(Database):
    """Tasks in one file.

    `sqlite:///tasks.db` is relative, `sqlite:////srv/tasks.db` absolute; `%` escapes. A path
    without a scheme is taken as it is.
    """

    scheme: ClassVar[str] = "sqlite"
    example: ClassVar[str] = "sqlite:///data/tasks.db, or a path"

    path: Path
    synchronous: Annotated[
        Synchronous,
        "How SQLite syncs a commit. NORMAL: a power cut may lose the last ones; EXTRA: for disks "
        "that damage neighbouring sectors.",
    ] = "FULL"

    @classmethod
    def named(cls, url: str) -> Self | None:
        return cls.at(_path_of(url))

    @classmethod
    def at(cls, path: str) -> Self | None:
        """Return the database in the file at `path`, None if no file can have this name.

        Raises:
            ValueError: it is SQLite's name of a database that is no file.
        """
        if ":memory:" in path:
            raise ValueError(
                "SQLite's in-memory database cannot keep what was accepted; give a file, or "
                "memory: to keep tasks only as long as the service runs"
            )
        return cls(path=Path(path)) if path and "\0" not in path and path[-1] != "/" else None

    def under(self, folder: Path) -> Self:
        return replace(self, path=folder / self.path)

    def service_file(self) -> Path | None:
        from taskqueue.storage.sqlite.disk.file import make_folder  # noqa: PLC0415 - not always used

        make_folder(self.path.parent)
        return self.path.with_name(f"{self.path.name}.service")

    def __str__(self) -> str:
        return str(self.path)


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc or not url.startswith("sqlite:///"):
        path = (parts.netloc + parts.path).lstrip("/")
        raise ValueError(f"an SQLite URL has three slashes or four: sqlite:///{path}")
    if parts.query or parts.fragment:
        raise ValueError(
            "an SQLite URL takes no parameters; in a file name write ? as %3F, # as %23"
        )
    return os.fsdecode(unquote_to_bytes(parts.path.removeprefix("/")))
