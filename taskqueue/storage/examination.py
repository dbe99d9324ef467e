"""What can be found out about a database without serving it: facts, without a verdict."""

from collections.abc import Mapping
from enum import StrEnum
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
    """All of that for a file. `file`, `holder`, `contents`: None if there is none."""

    path: Path
    disk: Disk
    file: File | None
    holder: Holder | None
    contents: Contents | StorageError | None
    """An error says why the file cannot be read."""


class Route(StrEnum):
    """How a URL leads to its server: straight, or through a pooler that lends its sessions."""

    DIRECT = "direct"
    SESSION = "session pooler"
    """A session is a client's until it leaves."""
    TRANSACTION = "transaction pooler"
    """Each transaction may have another session."""


class OpenTransaction(Struct):
    """A transaction of another session."""

    pid: int
    program: str
    """What the client calls itself; may be empty."""
    open_s: float


class Server(Struct):
    """A server that has answered, and what is in the database there."""

    version: str
    route: Route
    is_read_only: bool
    syncs: bool
    """Whether a commit waits for the disk (`fsync`)."""
    max_connections: int
    """For users that are no administrators."""
    connections: int
    oldest: OpenTransaction | None
    """The one that has been open longest, None if there is none."""
    ahead_s: float
    """Of the clock of this machine."""
    contents: Contents | StorageError


class ServerExamination(Struct):
    """What can be found out about a database on a server."""

    name: str
    server: Server | StorageError
    """An error says why it cannot be used."""
    says_pooler: bool | None
    """What its URL says of a pooler in transaction mode."""
    direct: str | None
    """The server itself, if it has a URL of its own."""
    direct_fault: str | None
    """Why that cannot be used."""
