"""The life of a storage under the verbs: migrated, opened, lost, closed."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from taskqueue.errors import StorageLost, StorageUnavailable
from taskqueue.events import events
from taskqueue.rules.groups import GroupEnd
from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Status
from taskqueue.storage.lifecycle import Migration
from taskqueue.storage.postgres import history, serving
from taskqueue.storage.postgres.clock import ServerClock
from taskqueue.storage.postgres.commit import Writer
from taskqueue.storage.postgres.connections import (
    SQL,
    Kept,
    connect,
    connect_within,
    drop,
)
from taskqueue.storage.postgres.database import PostgresDatabase
from taskqueue.storage.postgres.errors import translated
from taskqueue.storage.postgres.handler_sql.sessions import HandlerSessions
from taskqueue.storage.postgres.notices import Notices
from taskqueue.storage.postgres.operations import probing
from taskqueue.storage.postgres.operations.fronts import Fronts
from taskqueue.storage.postgres.readers import Readers
from taskqueue.storage.postgres.schema import runner
from taskqueue.storage.postgres.transaction import Transaction

T = TypeVar("T")

MIGRATE_WITHIN_S = 5.0
"""How long a node that starts waits for a server that restarts just then, or ends its connections.
The migration is tried again a few times only, so its tries must not all fail within a moment."""

CHANGE_WITHIN_S = 120.0
"""How long partitions are made and dropped for; what is left is done in the next round."""


class PostgresLifecycle:
    """Opens and closes the connections for `PostgresStorage`."""

    def __init__(
        self,
        database: PostgresDatabase,
        *,
        commits: CommitMeasures | None = None,
        clock: ServerClock | None = None,
    ) -> None:
        super().__init__()
        self._database = database
        self._where = str(database)
        self._commits = commits or CommitMeasures()
        self._clock = clock or ServerClock()
        self._fronts = Fronts()
        self._turn = asyncio.Lock()  # open, migrate and close, one after the other
        self._writer: Writer | None = None
        self._readers: Readers | None = None
        self._notices: Notices | None = None
        self._handlers: HandlerSessions | None = None
        self._tell_loss: Callable[[StorageUnavailable], object] = lambda _: None
        self._tell_foreign_commit: Callable[[], object] = lambda: None
        self._tell_group_end: Callable[[GroupEnd], object] = lambda _: None

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        self._tell_loss = notify

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        self._tell_foreign_commit = notify

    async def hears_others(self) -> bool:
        return self._notices is not None and self._notices.are_heard

    def on_foreign_tasks(self, notify: Callable[[], object]) -> None:
        """Never calls it: a notice does not tell tasks from pauses, and to look costs a read."""

    def on_group_end(self, notify: Callable[[GroupEnd], object]) -> None:
        self._tell_group_end = notify

    async def open(self) -> None:
        async with self._turn:
            if self._writer is not None:
                return
            writing = Kept(self._database, self._may_write, self._on_loss)
            readers = Readers(self._database, partial(runner.require_version, where=self._where))
            try:
                await writing.get()
            except BaseException:
                writing.abandon()
                raise
            notices = self._notices = Notices(
                self._database.direct,
                self._on_foreign_commit,
                on_connect=self._keeps_out_copies,
                execute_elsewhere=lambda text: readers.read(
                    lambda db: db.execute(text), snapshot=True
                ),
            )
            notices.start()
            self._readers = readers
            self._handlers = HandlerSessions(
                self._database,
                commits=self._commits,
                on_group_end=self._on_group_end,
                on_news=notices.tell,
            )
            self._writer = Writer(
                writing,
                self._where,
                shares_each_commit=self._database.has_pooler,
                commits=self._commits,
                on_group_end=self._on_group_end,
                on_news=notices.tell,
            )

    async def _drop_old(self, status: Status, *, ended_before: float) -> int:
        """Drop what is old enough as a whole, and make room for what will end."""
        now = self._clock.now()
        found = await self._read_snapshot(partial(history.look, status=status))
        if not history.has_work(found, ended_before=ended_before, now=now):
            return 0
        try:
            return await self._change_partitions(status, ended_before=ended_before, now=now)
        except StorageUnavailable as error:  # the rest of the storage may be as well as ever
            events.info("retention_postponed", reason=str(error))
            return 0

    async def _change_partitions(self, status: Status, *, ended_before: float, now: float) -> int:
        connection = await connect(self._database.direct)
        try:
            with translated(self._where):
                async with asyncio.timeout(CHANGE_WITHIN_S):
                    kept_s = now - ended_before
                    await history.make(connection, status, kept_s=kept_s, now=now)
                    return await history.drop_old(
                        connection, status, ended_before=ended_before, now=now
                    )
        finally:
            drop(connection)

    async def _may_write(self, db: SQL) -> None:
        await runner.require_version(db, self._where)
        await serving.share(db, self._where, for_session=not self._database.has_pooler)

    async def _keeps_out_copies(self, db: SQL) -> None:
        """Behind a pooler no session of the writer holds a lock, so that of the notices does."""
        if self._database.has_pooler:
            await serving.share(db, self._where, for_session=True)

    async def migrate(self) -> tuple[Migration, ...]:
        loop = asyncio.get_running_loop()
        async with self._turn:
            deadline = loop.time() + MIGRATE_WITHIN_S
            while True:
                try:
                    return await self._migrate()
                except StorageLost:  # all of it is written, or nothing
                    if loop.time() >= deadline:
                        raise

    async def _migrate(self) -> tuple[Migration, ...]:
        connection = await connect_within(self._database.direct, MIGRATE_WITHIN_S)
        try:
            with translated(self._where):
                return await runner.migrate(connection, self._where)
        finally:
            drop(connection)

    async def probe(self) -> None:
        await self._write(probing.probe)

    async def close(self) -> None:
        async with self._turn:
            writer, readers, notices = self._writer, self._readers, self._notices
            handlers, self._handlers = self._handlers, None
            if handlers is not None:
                await handlers.close()
            if writer is not None and readers is not None and notices is not None:
                await writer.close()
                self._writer = self._readers = self._notices = None
                await notices.close()
                await readers.close()

    def abandon(self) -> None:
        writer, self._writer = self._writer, None
        readers, self._readers = self._readers, None
        notices, self._notices = self._notices, None
        handlers, self._handlers = self._handlers, None
        if handlers is not None:
            handlers.abandon()
        if writer is not None:
            writer.abandon()
        if readers is not None:
            readers.abandon()
        if notices is not None:
            notices.abandon()

    async def _write(self, operation: Callable[[Transaction], Awaitable[T]]) -> T:
        """Return what `operation` returns, once that is committed."""
        if self._writer is None:
            raise StorageUnavailable("closed")
        return await self._writer.write(operation)

    async def _read(self, query: Callable[[SQL], Awaitable[T]]) -> T:
        """Return what `query`, which is one statement, finds in what is committed."""
        return await self._reading().read(query, snapshot=False)

    async def _read_snapshot(self, query: Callable[[SQL], Awaitable[T]]) -> T:
        """Return what `query` finds; all its statements see the same commits."""
        return await self._reading().read(query, snapshot=True)

    def _reading(self) -> Readers:
        if self._readers is None:
            raise StorageUnavailable("closed")
        return self._readers

    def _running_handlers(self) -> HandlerSessions:
        if self._handlers is None:
            raise StorageUnavailable("closed")
        return self._handlers

    def _on_loss(self, error: StorageLost) -> None:
        self._tell_loss(error)

    def _on_foreign_commit(self) -> None:
        self._tell_foreign_commit()

    def _on_group_end(self, end: GroupEnd) -> None:
        self._tell_group_end(end)
