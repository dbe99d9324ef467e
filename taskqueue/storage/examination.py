"""What can be found out about a database without serving it: facts, without a verdict."""

from collections.abc import Mapping
from pathlib import Path

from taskqueue.errors import StorageError
from taskqueue.structs import Struct


class Disk(Struct):
    """The disk below a folder; sizes in bytes, durations in seconds."""

    folder: Path
    """The folder of the database, or the next one above it that exists."""
    is_writable: bool
    kind: str | None
    """The type of the file system, such as `ext4`; None: the system does not tell."""
    free_bytes: int
    sync_s: tuple[float, ...]
    """How long a few syncs of a small file took; empty: none could be tried."""


class File(Struct):
    """Who may use the file of a database."""

    owner: int
    mode: int
    """The permission bits."""
    is_ours: bool
    """Whether it belongs to the user of this process."""
    is_usable: bool
    """Whether this process may read and write it."""


class Holder(Struct):
    """The process that has locked the database; None: the system does not tell which."""

    pid: int | None
    command: str | None


class Contents(Struct):
    """What a database holds. Instants in seconds since 1970."""

    version: int
    wanted: int
    """The schema version of this release."""
    waiting: Mapping[str, int]
    """How many tasks of each action have not ended."""
    latest_at: float | None
    """The latest instant at which something happened; None: nothing has."""


class Examination(Struct):
    """All of that. `file`, `holder`, `contents`: None if there is none."""

    path: Path
    disk: Disk
    file: File | None
    holder: Holder | None
    contents: Contents | StorageError | None
    """An error says why the file cannot be read."""
