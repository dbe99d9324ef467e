"""SQLite while a service runs on it: one file, one service, one process that writes."""

import os
from types import TracebackType
from typing import Self
from uuid import uuid4

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Owner
from taskqueue.storage.protocol import Storage
from taskqueue.storage.registry import NodeRegistry
from taskqueue.storage.sqlite.connections.spawn import SpawnedAhead
from taskqueue.storage.sqlite.database import SQLiteDatabase

# All leases in a file belong to one node: only one process can have it open.
NODE = "local"

# How long a service that is being stopped may take to release the file.
HANDOVER_S = 1.0


class SQLiteBackend:
    """The engine of one file. The process that writes starts with it, ahead of its first use."""

    def __init__(self, database: SQLiteDatabase) -> None:
        """Start the process that writes; that it cannot start is found when it is needed."""
        self.owner = Owner(node=NODE, incarnation=uuid4().hex)
        self.commits = CommitMeasures()
        self.clock = None
        self._nodes = NodeRegistry()
        self.database = database
        self.spawn = SpawnedAhead()

    # What follows is imported late: while that process starts, the service imports the rest.

    async def prepare(self) -> None:
        from taskqueue.storage.sqlite.disk.faults import translated  # noqa: PLC0415
        from taskqueue.storage.sqlite.disk.file import require_header  # noqa: PLC0415
        from taskqueue.storage.sqlite.disk.lock import FileLock, is_held_here  # noqa: PLC0415

        self._prepare_folder()
        path = self.database.path
        if is_held_here(path):
            raise StorageUnavailable(f"another service in this process holds {path}")
        lock = await FileLock.take(path, within_s=HANDOVER_S)
        try:
            if lock.has_database:
                with translated(path):
                    require_header(path, lock.database)
        finally:
            lock.release()

    def storage(self) -> Storage:
        from taskqueue.storage.sqlite.engine import SQLiteStorage  # noqa: PLC0415

        return SQLiteStorage(
            self.database.path,
            synchronous=self.database.synchronous,
            writes_in="process",
            spawn=self.spawn,
            commits=self.commits,
            nodes=self._nodes,
        )

    def _prepare_folder(self) -> None:
        from taskqueue.storage.sqlite.disk.file import make_folder  # noqa: PLC0415

        path = self.database.path
        try:
            make_folder(path.parent)
        except FileExistsError as error:
            raise StorageUnavailable(f"{path.parent} is a file, not a folder") from error
        except OSError as error:
            raise StorageUnavailable(f"cannot make {path.parent}: {error.strerror}") from error
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise StorageUnavailable(f"cannot write in {path.parent}: Permission denied")
        if path.is_dir():
            raise StorageUnavailable(f"{path} is a folder, not a file")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.spawn.__exit__(kind, error, traceback)
