"""The storage in one SQLite file: verbs, and the life of the file behind them."""

import asyncio
import itertools
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar, cast

from taskqueue.errors import StatementRefused, StorageCorrupt, StorageUnavailable
from taskqueue.rules.tasks import (
    ENDED,
    Accepted,
    CancelResult,
    Delivery,
    NewTask,
    NotApplied,
    Owner,
    Rows,
    SettleBy,
    Settled,
    Statement,
    Status,
    Task,
    TaskHistory,
)
from taskqueue.storage.lifecycle import Migration
from taskqueue.storage.limits import check_limit
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.commit.checkpointer import Checkpointer
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.commit.writer import Writer
from taskqueue.storage.sqlite.connections.pickling import Batch
from taskqueue.storage.sqlite.connections.process import RemoteConnection
from taskqueue.storage.sqlite.connections.reader import Reader
from taskqueue.storage.sqlite.connections.set_up import (
    Mode,
    SetUp,
    set_up_checkpointer,
    set_up_migration,
    set_up_reader,
    set_up_writer,
)
from taskqueue.storage.sqlite.connections.spawn import Spawned, spawn
from taskqueue.storage.sqlite.connections.thread import Connection
from taskqueue.storage.sqlite.database import Synchronous
from taskqueue.storage.sqlite.disk.faults import checkpoint_error, translated
from taskqueue.storage.sqlite.disk.file import (
    FileWatch,
    make_file,
    make_folder,
    require_header,
    require_in_place,
    require_readable,
)
from taskqueue.storage.sqlite.disk.lock import FileLock, real_path
from taskqueue.storage.sqlite.disk.wal import checkpoint
from taskqueue.storage.sqlite.disk.wal_index import set_up_afresh
from taskqueue.storage.sqlite.errors import SyncFailed, WriterLost
from taskqueue.storage.sqlite.handler_sql.isolation import Isolation
from taskqueue.storage.sqlite.operations import inserting, reads, settling, writes
from taskqueue.storage.sqlite.schema import runner

T = TypeVar("T")
WritesIn: TypeAlias = Literal["thread", "process"]


class _Last:
    """Calls a function when it was called so often, from whatever threads."""

    def __init__(self, times: int, function: Callable[[], object]) -> None:
        self._left = itertools.count(times - 1, -1)
        self._function = function

    def __call__(self) -> None:
        if next(self._left) == 0:  # a step of the counter is atomic
            self._function()


class SQLiteStorage(Storage):
    """Tasks in the SQLite file at `path`, which one process at a time may have open.

    With `synchronous="FULL"` a verb that writes returns after the disk was synced. `"NORMAL"` syncs
    only now and then: a power cut may then take the latest writes, a crash of the process may not.
    `"EXTRA"` is for a disk that may damage, in a power cut, all of a sector of which it writes a
    part: a commit takes up to 8 KiB more of the log, and shares no sector with another.

    `busy_timeout_s` is how long to wait for another that holds the file (a second service, a
    shell with an open transaction) before raising `StorageUnavailable`.

    With `writes_in="process"` another process commits: neither does it wait for threads here that
    compute, nor they for it. It takes a tenth of a second to start, unless `spawn` hands out one
    that was started before, and some memory. Should it end by itself, whatever writes raises
    `WriterLost` until the storage is opened again. Statements of handlers run in two more, one that
    writes and one that reads, each started when it is first needed: there they are killed if they
    take too long, and only there is their time limited whatever they are.

    If the file is removed or replaced under an open storage, every verb raises
    `StorageUnavailable` until it is opened again. A file that was found corrupt can be opened again
    once all of it is sound; meanwhile nobody writes into it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Synchronous = "FULL",
        writes_in: WritesIn = "thread",
        spawn: Callable[[], Spawned] = spawn,
        busy_timeout_s: float = 1.0,
    ) -> None:
        self._path = Path(path).absolute()
        self._synchronous = synchronous
        self._writes_in = writes_in
        self._spawn = spawn
        self._busy_timeout_s = busy_timeout_s
        self._turn = asyncio.Lock()  # open, migrate and close, one after the other
        self._lock: FileLock | None = None
        self._writer: Writer | None = None
        self._reader: Reader | None = None
        self._checkpointer: Checkpointer | None = None
        self._isolation: Isolation | None = None
        self._tell_loss: Callable[[StorageUnavailable], object] = lambda _: None
        self._watch: FileWatch | None = None
        self._unsynced: StorageUnavailable | None = None  # why some of the log may not be synced
        self._suspect = False  # something of the file was found corrupt, and it was not checked yet

    # --- the file ---------------------------------------------------------------------------------

    async def open(self) -> None:
        async with self._turn:
            if self._writer is None:
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
            async with self._exclusively():
                return await self._migrate()

    async def close(self) -> None:
        async with self._turn:
            if self._keeps_log():
                await self._drop()
            else:
                await self._close()

    async def _close(self) -> None:
        """Close all connections. SQLite checkpoints with the last one, and removes the log."""
        if self._isolation is not None:
            await self._isolation.close()
        if self._writer is not None:
            await self._writer.part()
        try:
            if self._reader is not None:
                await self._reader.close()
            if self._checkpointer is not None:
                await self._checkpointer.close()
            if self._writer is not None:
                await self._writer.close()
        finally:
            self.abandon()  # of what is closed nothing is left to do but to give up the lock

    async def _drop(self) -> None:
        """Close all connections without a checkpoint: the log stays whole."""
        loop, dropped = asyncio.get_running_loop(), asyncio.Event()
        self._abandon(then=partial(loop.call_soon_threadsafe, dropped.set))
        await dropped.wait()

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        self._tell_loss = notify

    def abandon(self) -> None:
        """Let go of everything without waiting.

        The file's lock is released after the commit and the checkpoint that are under way, so the
        next to open the file, in this process or another, sees everything that this one will ever
        write. The threads end by themselves.
        """
        self._abandon(then=lambda: None)

    def _abandon(self, then: Callable[[], object]) -> None:
        lock, self._lock = self._lock, None
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        checkpointer, self._checkpointer = self._checkpointer, None
        isolation, self._isolation = self._isolation, None

        def end() -> None:
            if lock is not None:
                lock.release()
            then()

        # An open storage has all of them.
        if writer is None or checkpointer is None or reader is None:
            end()
        elif self._keeps_log():
            # The last to close is the reader, which cannot write: so nothing checkpoints.
            done = _Last(3, partial(reader.abandon, end))
            checkpointer.abandon(then=done)
            isolation.abandon(then=done) if isolation is not None else done()
            writer.abandon(then=done)
        else:
            done = _Last(2, partial(checkpointer.abandon, end))
            reader.abandon()
            isolation.abandon(then=done) if isolation is not None else done()
            writer.abandon(then=done)

    def _keeps_log(self) -> bool:
        """Tell whether to close without a checkpoint, which loses what a failed sync has lost.

        Never if the file was moved away: the log would be applied to the next one in its place.
        """
        return self._unsynced is not None and self._watch is not None and self._watch.is_there()

    @asynccontextmanager
    async def _exclusively(self) -> AsyncIterator[FileLock]:
        """Hold the file's lock from here to `close`, or only in the block if that fails."""
        if self._lock is None:
            self._lock = await FileLock.take(self._path, within_s=self._busy_timeout_s)
        try:
            yield self._lock
        except BaseException:
            if self._writer is None:
                self.abandon()
            raise

    async def _connect(self, watch: FileWatch, lock: FileLock) -> None:
        opened: list[Connection | RemoteConnection] = []
        try:
            opened += [writer := await self._writing_connection(lock, watch)]
            opened += [reader := await self._connection("ro", set_up_reader)]
            opened += [checkpointer := await self._connection("rw", set_up_checkpointer)]
        except BaseException:
            for connection in opened:
                connection.abandon()
            raise
        with translated(self._path):
            watch = watch.with_log()
        self._suspect = False
        self._watch = watch
        self._writer = Writer(writer, watch, patience_s=self._busy_timeout_s)
        self._reader = Reader(reader, self._path, watch)
        self._checkpointer = Checkpointer(checkpointer, writer, self._path, self._on_failed_sync)
        if self._writes_in == "process":
            self._isolation = Isolation(
                partial(self._remote_connection, lock, on_loss=self._tell_hang),
                self._set_up_writer(),
                self._writer,
                watch,
                patience_s=self._busy_timeout_s,
            )
        if self._unsynced is not None:
            await self._replay(writer)

    async def _replay(self, writer: Connection | RemoteConnection) -> None:
        """Write and sync the whole log, of which a failed sync has lost some."""
        try:
            await writer.run(checkpoint)
        except (sqlite3.Error, StorageUnavailable) as error:
            await self._drop()
            raise checkpoint_error(error, self._path) or error from error
        self._unsynced = None

    def _on_failed_sync(self, error: SyncFailed) -> None:
        self._unsynced = error
        self._tell_loss(error)

    def _on_loss(self, error: StorageUnavailable) -> None:
        if isinstance(error, WriterLost):  # maybe in a sync, of which the outcome is not known
            self._unsynced = error
        self._tell_loss(error)

    async def _migrate(self) -> tuple[Migration, ...]:
        connection = await self._connection("rwc", partial(set_up_migration, path=self._path))
        try:
            with translated(self._path):
                return await connection.run(runner.migrate)
        finally:
            connection.abandon()

    async def _writing_connection(
        self, lock: FileLock, watch: FileWatch
    ) -> Connection | RemoteConnection:
        if self._writes_in == "thread":
            return await self._connection("rw", self._set_up_writer())
        set_up = partial(
            set_up_afresh,
            path=real_path(self._path),
            patience_s=self._busy_timeout_s,
            set_up=self._set_up_writer(),
        )
        return await self._remote_connection(
            lock,
            set_up,
            on_loss=self._on_loss,
            check=partial(require_in_place, watch),
            has_limit=False,
        )

    def _set_up_writer(self) -> SetUp:
        return partial(
            set_up_writer,
            path=self._path,
            version=runner.SQLITE_VERSION,
            synchronous=self._synchronous,
            check=self._suspect,
        )

    async def _remote_connection(
        self,
        lock: FileLock,
        set_up: SetUp,
        on_loss: Callable[[StorageUnavailable], object],
        check: Callable[[sqlite3.Connection], object] = lambda _: None,
        has_limit: bool = True,
    ) -> RemoteConnection:
        return await RemoteConnection.open(
            self._path,
            "rw",
            busy_timeout_s=self._busy_timeout_s,
            set_up=set_up,
            own_sectors=self._synchronous == "EXTRA",
            spawn=self._spawn,
            keep=lock.descriptors,  # should we be killed, it still has a commit to end
            on_loss=on_loss,
            check=check,
            has_limit=has_limit,
        )

    def _tell_hang(self, error: StorageUnavailable) -> None:
        """Report that statements of a handler hang in the disk; the death of theirs is not ours."""
        if not isinstance(error, WriterLost):
            self._tell_loss(error)

    async def _connection(self, mode: Mode, set_up: SetUp) -> Connection:
        return await Connection.open(
            self._path,
            mode,
            busy_timeout_s=self._busy_timeout_s,
            set_up=set_up,
            own_sectors=self._synchronous == "EXTRA",
        )

    # --- verbs that write -------------------------------------------------------------------------

    async def probe(self) -> None:
        # Two commits: what is undone before the first of them never reaches the disk.
        await self._write(writes.begin_probe)
        await self._write(writes.end_probe)

    async def insert(self, tasks: Sequence[NewTask], *, now: float) -> tuple[Accepted, ...]:
        return await self._write(partial(inserting.insert, tasks=Batch(tasks), now=now))

    async def insert_and_claim(
        self,
        tasks: Sequence[NewTask],
        *,
        room: Mapping[str, int],
        owner: Owner,
        lease_s: float,
        now: float,
    ) -> tuple[tuple[Accepted, ...], tuple[Delivery, ...]]:
        return await self._write(
            partial(
                inserting.insert_and_claim,
                tasks=Batch(tasks),
                room=dict(room),
                owner=owner,
                expires_at=now + lease_s,
                now=now,
            )
        )

    async def claim(
        self, queue: str, *, limit: int, owner: Owner, lease_s: float, now: float
    ) -> tuple[Delivery, ...]:
        check_limit(limit)
        return await self._write(
            partial(
                writes.claim,
                queue=queue,
                limit=limit,
                owner=owner,
                expires_at=now + lease_s,
                now=now,
            )
        )

    async def start(self, tokens: Sequence[str], *, now: float) -> None:
        await self._write(partial(writes.start, tokens=tuple(tokens), now=now))

    async def extend(self, tokens: Sequence[str], *, lease_s: float, now: float) -> tuple[str, ...]:
        return await self._write(
            partial(writes.extend, tokens=tuple(tokens), expires_at=now + lease_s)
        )

    async def report(self, progress: Mapping[str, str], *, now: float) -> None:
        await self._write(partial(writes.report, progress=dict(progress)))

    async def dry_run(
        self, statements: Sequence[Statement], query: Statement, *, limit_s: float
    ) -> Rows:
        dry_run = writes.DryRun(tuple(statements), query, limit_s=limit_s)
        if self._isolation is None:
            answer = await self._write(dry_run)
        else:
            with self._suspecting():
                answer = await self._isolation.dry_run(dry_run)
        if isinstance(answer, StatementRefused):
            raise answer
        return answer

    async def settle(
        self, settlements: Sequence[SettleBy], *, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        isolation = self._isolation
        if isolation is None or not any(map(settling.has_statements, settlements)):
            return await self._settle(settlements, now=now)
        isolated = [by for by in settlements if settling.has_statements(by)]
        others = [by for by in settlements if not settling.has_statements(by)]
        of_isolated, of_others = await asyncio.gather(
            self._settle_isolated(isolation, isolated, now=now),
            self._settle(others, now=now) if others else _no_answers(),
        )
        a, b = iter(of_isolated), iter(of_others)
        return tuple(next(a if settling.has_statements(by) else b) for by in settlements)

    async def _settle(
        self, settlements: Sequence[SettleBy], *, now: float
    ) -> tuple[Settled | NotApplied, ...]:
        # What is wrong with a handler's statement is answered for its token, by whoever applies it.
        pack = Batch if all(map(settling.only_completes, settlements)) else tuple
        answers = await self._write(
            partial(settling.settle, settlements=pack(settlements), refused={}, now=now)
        )
        # Without a share of time nothing is put off.
        return cast("tuple[Settled | NotApplied, ...]", answers)

    async def _settle_isolated(
        self, isolation: Isolation, settlements: Sequence[SettleBy], *, now: float
    ) -> Sequence[Settled | NotApplied]:
        with self._suspecting():
            answers = await isolation.settle(settlements, now=now)
        if self._checkpointer is not None:
            self._checkpointer.written(self._rows_changed)
        return answers

    async def cancel(
        self, task_ids: Sequence[str], *, reason: str, now: float
    ) -> tuple[CancelResult, ...]:
        return await self._write(
            partial(writes.cancel, task_ids=tuple(task_ids), reason=reason, now=now)
        )

    async def redrive(self, task_ids: Sequence[str], *, now: float) -> tuple[str, ...]:
        return await self._write(partial(writes.redrive, task_ids=tuple(task_ids), now=now))

    async def delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        return await self._write(partial(writes.delete, task_ids=tuple(task_ids)))

    async def pause(self, queue: str, *, now: float) -> None:
        await self._write(partial(writes.pause, queue=queue, now=now))

    async def resume(self, queue: str) -> None:
        await self._write(partial(writes.resume, queue=queue))

    async def expire(self, status: Status, *, ended_before: float, limit: int) -> int:
        if status not in ENDED:
            raise ValueError(f"{status} is not an end")
        check_limit(limit)
        return await self._write(
            partial(writes.expire, status=status, ended_before=ended_before, limit=limit)
        )

    # --- verbs that read --------------------------------------------------------------------------

    async def held(self, owner: Owner) -> tuple[Delivery, ...]:
        return await self._read(partial(reads.held, owner=owner))

    async def rescue(self, owner: Owner, *, now: float) -> tuple[Delivery, ...]:
        return await self._read(partial(reads.rescue, owner=owner, now=now))

    async def next_due(self, queue: str) -> float | None:
        return await self._read(partial(reads.next_due, queue=queue))

    async def all_due(self) -> Mapping[str, float]:
        return await self._read(reads.all_due)

    async def get(self, task_id: str, *, now: float) -> TaskHistory | None:
        return await self._read(partial(reads.get, task_id=task_id, now=now))

    async def find(
        self,
        *,
        status: Status | None = None,
        action: str | None = None,
        queue: str | None = None,
        before: str | None = None,
        limit: int,
        now: float,
        max_bytes: int | None = None,
        brief: bool = False,
    ) -> tuple[Task, ...]:
        check_limit(limit)
        return await self._read(
            partial(
                reads.find,
                status=status,
                action=action,
                queue=queue,
                before=before,
                limit=limit,
                now=now,
                max_bytes=max_bytes,
                brief=brief,
            )
        )

    async def counts(self) -> Mapping[Status, int]:
        return await self._read(reads.counts)

    async def paused(self) -> Mapping[str, float]:
        return await self._read(reads.paused)

    async def _write(self, operation: Callable[[Transaction], T]) -> T:
        writer, checkpointer = self._writer, self._checkpointer
        if writer is None or checkpointer is None:
            raise StorageUnavailable("closed")
        if self._unsynced is not None:
            raise self._unsynced
        with self._suspecting():
            checkpointer.check()
            answer = await writer.write(operation)
        checkpointer.written(self._rows_changed)
        return answer

    @property
    def _rows_changed(self) -> int:
        writing = (self._writer, self._isolation)
        return sum(each.rows_changed for each in writing if each is not None)

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if self._reader is None:
            raise StorageUnavailable("closed")
        with self._suspecting():
            return await self._reader.read(query)

    @contextmanager
    def _suspecting(self) -> Iterator[None]:
        """Remember if the file is found corrupt: it is served again only once it is whole."""
        try:
            yield
        except StorageCorrupt:
            self._suspect = True
            raise


async def _no_answers() -> tuple[Settled | NotApplied, ...]:
    return ()
