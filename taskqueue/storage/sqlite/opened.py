"""What an open file consists of, and how it is closed."""

import itertools
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from taskqueue.storage.sqlite.commit.checkpointer import Checkpointer
from taskqueue.storage.sqlite.commit.foreign import ForeignCommits
from taskqueue.storage.sqlite.commit.log_space import LogSpace
from taskqueue.storage.sqlite.commit.transaction import Transaction
from taskqueue.storage.sqlite.commit.writer import Writer
from taskqueue.storage.sqlite.connections.thread import ThreadConnection
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import FileWatch
from taskqueue.storage.sqlite.handler_sql.isolation import Isolation

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFile:
    """The connections to the file, by what they do."""

    watch: FileWatch
    writer: Writer
    reader: ThreadConnection
    checkpointer: Checkpointer
    log_space: LogSpace
    isolation: Isolation | None
    """None: the writer runs the statements of handlers as well."""
    foreign: ForeignCommits | None
    """None: the system does not allow to watch the log."""

    async def write(self, operation: Callable[[Transaction], T], *, patient: bool = False) -> T:
        """Answer with what `operation` returns, once that is committed; see `Writer.write`.

        Raises:
            StorageUnavailable, StorageCorrupt: it is not, or the latest checkpoint has failed.
        """
        self.checkpointer.check()
        answer = await self.writer.write(operation, patient=patient)
        self.committed()
        return answer

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Answer with what `query` finds in all commits that were made before.

        Raises:
            StorageUnavailable: the file is closed, gone, or cannot be read.
            StorageCorrupt: it is no usable database.
        """
        return await self.reader.run(partial(_read, self.watch, query))

    def committed(self) -> None:
        """Checkpoint if enough was written since the last time, and keep room in the log."""
        isolated = 0 if self.isolation is None else self.isolation.rows_changed
        self.checkpointer.written(self.writer.rows_changed + isolated)
        self.log_space.committed()

    async def part(self) -> None:
        """Refuse what comes, and commit what waits.

        Raises:
            StorageUnavailable: the log was removed, and cannot be brought into the file.
        """
        if self.foreign is not None:
            self.foreign.close()
        if self.isolation is not None:
            await self.isolation.close()
        await self.writer.part()

    async def close(self) -> None:
        """Close all connections. SQLite checkpoints with the last one, and removes the log."""
        await self.reader.close()
        await self.checkpointer.close()
        await self.writer.close()

    def abandon(self, *, keep_log: bool, then: Callable[[], object]) -> None:
        """Close all connections without waiting; `then` is called when the last one is closed.

        With `keep_log` nothing is checkpointed, because the last to close is the reader, which
        cannot write.
        """
        if self.foreign is not None:
            self.foreign.close()
        first, last = (
            (self.checkpointer, self.reader) if keep_log else (self.reader, self.checkpointer)
        )
        done = _Last(3 if keep_log else 2, partial(last.abandon, then))
        first.abandon(done if keep_log else _nothing)
        if self.isolation is None:
            done()
        else:
            self.isolation.abandon(done)
        self.writer.abandon(done)


def _read(watch: FileWatch, query: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
    with translated(watch.path):
        watch.check()
        return query(db)


class _Last:
    """Calls a function when it was called so often, from whatever threads."""

    def __init__(self, times: int, function: Callable[[], object]) -> None:
        self._left = itertools.count(times - 1, -1)
        self._function = function

    def __call__(self) -> None:
        if next(self._left) == 0:  # a step of the counter is atomic
            self._function()


def _nothing() -> None:
    pass
