"""The life of the file under the verbs: locked, migrated, opened, lost, closed."""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from taskqueue.children.launch import Child
from taskqueue.errors import StorageCorrupt, StorageUnavailable
from taskqueue.rules.measures import CommitMeasures
from taskqueue.storage.lifecycle import Migration
from taskqueue.storage.registry import NodeRegistry
from taskqueue.storage.sqlite.commit.checkpointer import Checkpointer
from taskqueue.storage.sqlite.commit.foreign import ForeignCommits
from taskqueue.storage.sqlite.commit.log_space import LogSpace
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.commit.writer import Writer
from taskqueue.storage.sqlite.connections.opener import Opener, WritesIn
from taskqueue.storage.sqlite.connections.process import ProcessConnection
from taskqueue.storage.sqlite.connections.set_up import (
    set_up_checkpointer,
    set_up_log,
    set_up_migration,
    set_up_reader,
)
from taskqueue.storage.sqlite.connections.spawn import spawn
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.database import Synchronous
from taskqueue.storage.sqlite.disk.faults import checkpoint_error, translated
from taskqueue.storage.sqlite.disk.file import (
    FileWatch,
    make_file,
    make_folder,
    require_header,
    require_readable,
)
from taskqueue.storage.sqlite.disk.lock import FileLock, real_path
from taskqueue.storage.sqlite.disk.wal import checkpoint
from taskqueue.storage.sqlite.errors import SyncFailed, WriterLost
from taskqueue.storage.sqlite.handler_sql.isolation import Isolation
from taskqueue.storage.sqlite.notices import SQLiteNotices
from taskqueue.storage.sqlite.opened import OpenFile
from taskqueue.storage.sqlite.schema import runner

T = TypeVar("T")


class SQLiteLifecycle(SQLiteNotices):
    """Opens and closes the file for `SQLiteStorage`, which says what its arguments mean."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        writes_in: WritesIn = "thread",
        spawn: Callable[[], Child] = spawn,
        busy_timeout_s: float = 1.0,
        commits: CommitMeasures | None = None,
        nodes: NodeRegistry | None = None,
    ) -> None:
        super().__init__()
        self._path = Path(path).absolute()
        self._busy_timeout_s = busy_timeout_s
        self._commits = commits or CommitMeasures()
        self._nodes = nodes or NodeRegistry()
        self._opener = Opener(
            path=self._path,
            synchronous=synchronous,
            writes_in=writes_in,
            spawn=spawn,
            busy_timeout_s=busy_timeout_s,
        )
        self._turn = asyncio.Lock()  # open, migrate and close, one after the other
        self._lock: FileLock | None = None
        self._opened: OpenFile | None = None
        self._unsynced: StorageUnavailable | None = None  # why some of the log may not be synced
        self._suspect = False  # something of the file was found corrupt, and it was not checked yet

    async def open(self) -> None:
        async with self._turn:
            if self._opened is None:
                with translated(self._path):
                    watch = FileWatch(self._path)
                async with self._exclusively() as lock:
                    with translated(self._path):
                        require_header(self._path, lock.database)
                        if self._suspect:
                            require_readable(self._path, lock.database)
                    await self._connect(watch, lock)

    async def migrate(self) -> tuple[Migration, ...]:
        async with self._turn:
            with translated(self._path):
                make_folder(self._path.parent)
                make_file(real_path(self._path))
            async with self._exclusively() as lock:
                return await self._migrate(lock)

    async def close(self) -> None:
        async with self._turn:
            if self._keeps_log():
                await self._drop()
            else:
                await self._close()

    def abandon(self) -> None:
        """Let go of everything without waiting.

        The file's lock is released after the commit and the checkpoint that are under way, so the
        next to open the file, in this process or another, sees everything that this one will ever
        write. The threads end by themselves.
        """
        self._abandon(then=lambda: None)

    async def _write(self, operation: Callable[[Transaction], T], *, patient: bool = False) -> T:
        opened = self._serving()
        if self._unsynced is not None:
            raise self._unsynced
        with self._suspecting():
            return await opened.write(operation, patient=patient)

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        opened = self._serving()
        with self._suspecting():
            return await opened.read(query)

    def _serving(self) -> OpenFile:
        if self._opened is None:
            raise StorageUnavailable("closed")
        return self._opened

    @contextmanager
    def _suspecting(self) -> Iterator[None]:
        """Remember if the file is found corrupt: it is served again only once it is whole."""
        try:
            yield
        except StorageCorrupt:
            self._suspect = True
            raise

    # --- opening ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[FileLock]:
        """Hold the file's lock from here to `close`, or only in the block if that fails.

        Connections of a block that fails or is cancelled share the lock until they are closed.
        """
        if self._lock is None:
            self._lock = await FileLock.take(self._path, within_s=self._busy_timeout_s)
        try:
            yield self._lock
        except BaseException:
            if self._opened is None:
                self.abandon()
            raise

    async def _migrate(self, lock: FileLock) -> tuple[Migration, ...]:
        set_up = partial(set_up_migration, path=self._path)
        connection = await self._opener.open_on_thread("rwc", set_up, lock=lock)
        try:
            with translated(self._path):
                done = await connection.run(runner.migrate)
                await connection.run(set_up_log)  # clients may open the file before a service does
        except BaseException:
            connection.abandon()
            raise
        await connection.close()
        return done

    async def _connect(self, watch: FileWatch, lock: FileLock) -> None:
        opened: list[ThreadConnection | ProcessConnection] = []
        try:
            opened += [
                writing := await self._opener.open_writer(
                    lock, watch, require_whole=self._suspect, on_loss=self._on_loss
                )
            ]
            opened += [reading := await self._opener.open_on_thread("ro", set_up_reader)]
            opened += [
                checkpointing := await self._opener.open_on_thread(
                    "rw", set_up_checkpointer, lock=lock
                )
            ]
            with translated(self._path):
                watch = watch.with_log()
            log = Path(f"{real_path(self._path)}-wal")
            foreign = await ForeignCommits.begin(
                log,
                writing,
                notify=self._on_foreign_commit,
                notify_early=self._on_foreign_tasks,
            )
        except BaseException:
            for connection in opened:
                connection.abandon()
            raise
        self._suspect = False
        writer = Writer(
            writing,
            watch,
            patience_s=self._busy_timeout_s,
            commits=self._commits,
            on_group_end=self._on_group_end,
            foreign=foreign,
        )
        self._opened = OpenFile(
            watch=watch,
            writer=writer,
            reader=reading,
            checkpointer=Checkpointer(checkpointing, writing, self._path, self._on_failed_sync),
            log_space=LogSpace(writing, watch, log),
            isolation=self._isolation(lock, writer, watch),
            foreign=foreign,
        )
        if self._unsynced is not None:
            await self._replay(writing)

    def _isolation(self, lock: FileLock, writer: Writer, watch: FileWatch) -> Isolation | None:
        if self._opener.writes_in == "thread":
            return None
        return Isolation(
            partial(self._opener.open_in_process, lock=lock, on_loss=self._on_hang),
            self._opener.set_up_writer(require_whole=False),
            writer,
            watch,
            patience_s=self._busy_timeout_s,
            on_group_end=self._on_group_end,
        )

    async def _replay(self, writing: ThreadConnection | ProcessConnection) -> None:
        """Write and sync the whole log, of which a failed sync has lost some."""
        try:
            await writing.run(checkpoint)
        except (sqlite3.Error, StorageUnavailable) as error:
            await self._drop()
            raise checkpoint_error(error, self._path) or error from error
        self._unsynced = None

    # --- losing -----------------------------------------------------------------------------------

    def _on_failed_sync(self, error: SyncFailed) -> None:
        self._unsynced = error
        self._tell_loss(error)

    def _on_loss(self, error: StorageUnavailable) -> None:
        if isinstance(error, WriterLost):  # maybe in a sync, of which the outcome is not known
            self._unsynced = error
        self._tell_loss(error)

    def _on_hang(self, error: StorageUnavailable) -> None:
        """Report that statements of a handler hang in the disk; the death of theirs is not ours."""
        if not isinstance(error, WriterLost):
            self._tell_loss(error)

    # --- closing ----------------------------------------------------------------------------------

    async def _close(self) -> None:
        if self._opened is not None:
            await self._opened.part()
        try:
            if self._opened is not None:
                await self._opened.close()
        finally:
            self.abandon()  # of what is closed nothing is left to do but to give up the lock

    async def _drop(self) -> None:
        """Close all connections without a checkpoint: the log stays whole."""
        loop, dropped = asyncio.get_running_loop(), asyncio.Event()
        self._abandon(then=partial(loop.call_soon_threadsafe, dropped.set))
        await dropped.wait()

    def _abandon(self, then: Callable[[], object]) -> None:
        keep_log = self._keeps_log()
        lock, self._lock = self._lock, None
        opened, self._opened = self._opened, None

        def end() -> None:
            if lock is not None:
                lock.release()
            then()

        if opened is None:
            end()
        else:
            opened.abandon(keep_log=keep_log, then=end)

    def _keeps_log(self) -> bool:
        """Tell whether to close without a checkpoint, which loses what a failed sync has lost.

        Never if the file was moved away: the log would be applied to the next one in its place.
        """
        opened = self._opened
        return self._unsynced is not None and opened is not None and opened.watch.is_there()
