"""Opens the connections to one file, each set up for its purpose."""

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from taskqueue.children.launch import Child
from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.set_up import Mode, SetUp, set_up_writer
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.database import Synchronous
from taskqueue.storage.sqlite.disk.file import FileWatch, require_in_place
from taskqueue.storage.sqlite.disk.lock import FileLock, real_path
from taskqueue.storage.sqlite.disk.wal_index import set_up_afresh
from taskqueue.storage.sqlite.schema import runner

WritesIn: TypeAlias = Literal["thread", "process"]
OnLoss: TypeAlias = Callable[[StorageUnavailable], object]


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Opener:
    """The file, and what all connections to it share."""

    path: Path
    synchronous: Synchronous
    writes_in: WritesIn
    spawn: Callable[[], Child]
    busy_timeout_s: float

    async def open_on_thread(
        self, mode: Mode, set_up: SetUp, *, lock: FileLock | None = None
    ) -> ThreadConnection:
        """Open a connection on a thread of this process, which may share the lock."""
        return await ThreadConnection.open(
            self.path,
            mode,
            busy_timeout_s=self.busy_timeout_s,
            set_up=set_up,
            own_sectors=self.synchronous == "EXTRA",
            on_closed=_nothing if lock is None else lock.share(),
        )

    async def open_in_process(
        self,
        set_up: SetUp,
        *,
        lock: FileLock,
        on_loss: OnLoss,
        check: Callable[[sqlite3.Connection], object] = _nothing,
        has_limit: bool = True,
    ) -> ProcessConnection:
        """Open a connection that writes, in a process of its own, which shares the lock."""
        return await ProcessConnection.open(
            self.path,
            "rw",
            busy_timeout_s=self.busy_timeout_s,
            set_up=set_up,
            own_sectors=self.synchronous == "EXTRA",
            spawn=self.spawn,
            keep=lock.descriptors,  # should we be killed, it still has a commit to end
            on_loss=on_loss,
            check=check,
            on_closed=lock.share(),
            has_limit=has_limit,
        )

    async def open_writer(
        self, lock: FileLock, watch: FileWatch, *, require_whole: bool, on_loss: OnLoss
    ) -> ThreadConnection | ProcessConnection:
        """Open the one connection that commits."""
        set_up = self.set_up_writer(require_whole=require_whole)
        if self.writes_in == "thread":
            return await self.open_on_thread("rw", set_up, lock=lock)
        return await self.open_in_process(
            partial(
                set_up_afresh,
                path=real_path(self.path),
                patience_s=self.busy_timeout_s,
                set_up=set_up,
            ),
            lock=lock,
            on_loss=on_loss,
            check=partial(require_in_place, watch),
            has_limit=False,
        )

    def set_up_writer(self, *, require_whole: bool) -> SetUp:
        """Return what makes a connection one that writes; it may check the whole file first."""
        return partial(
            set_up_writer,
            path=self.path,
            version=runner.SQLITE_VERSION,
            synchronous=self.synchronous,
            check=require_whole,
        )
