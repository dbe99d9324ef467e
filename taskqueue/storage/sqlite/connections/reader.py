"""Reads what is committed, beside the writer."""

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from taskqueue.storage.sqlite.connections.thread import Connection
from taskqueue.storage.sqlite.disk.faults import translated
from taskqueue.storage.sqlite.disk.file import FileWatch

T = TypeVar("T")


class Reader:
    """A connection that sees every commit made before it is asked, and can write nothing."""

    def __init__(self, connection: Connection, path: Path, watch: FileWatch) -> None:
        self._connection = connection
        self._path = path
        self._watch = watch

    async def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` finds.

        Raises:
            StorageUnavailable: the reader is closed, the file is gone or cannot be read.
            StorageCorrupt: the file is no usable database.
        """
        return await self._connection.run(partial(self._guarded, query))

    async def close(self) -> None:
        """Answer what was asked, then close the connection."""
        await self._connection.close()

    def abandon(self, then: Callable[[], object] = lambda: None) -> None:
        """Let go without waiting; `then` is called when the thread is done."""
        self._connection.abandon(then)

    def _guarded(self, query: Callable[[sqlite3.Connection], T], db: sqlite3.Connection) -> T:
        with translated(self._path):
            self._watch.check()
            return query(db)
