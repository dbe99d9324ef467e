"""An SQLite connection on a thread of its own, reached in one hop."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import aiosqlite

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.sqlite.connections.set_up import Mode, SetUp, connect

T = TypeVar("T")

# aiosqlite logs on its thread, at a level for debugging. What handlers put into `logging` (a
# handler, a filter, a record factory) may raise there, and would end the thread silently.
logging.getLogger("aiosqlite").disabled = True


def _nothing() -> None:
    pass


class ThreadConnection(aiosqlite.Connection):
    """aiosqlite's connection, with whole functions instead of statements sent to its thread.

    A statement sent alone costs a hop of 30 µs; a function pays it once for all its statements.
    aiosqlite has no public way to do so, and its thread dies loudly, with the connection open, if
    the loop is closed before it has answered. So the hop is our own; of aiosqlite's private parts
    it touches `_tx`, `_connect`, `_connector` and `_connection`
    (test_one_hop_runs_a_function_on_the_connections_own_thread).
    """

    def __init__(
        self, connect: Callable[[], sqlite3.Connection], on_closed: Callable[[], object]
    ) -> None:
        super().__init__(connect, iter_chunk_size=64)
        self._on_closed = on_closed
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        mode: Mode,
        *,
        busy_timeout_s: float,
        set_up: SetUp,
        own_sectors: bool = False,
        on_closed: Callable[[], object] = _nothing,
    ) -> "ThreadConnection":
        """`connect` to the file at `path`, on the new thread.

        When this fails or is cancelled, the thread ends by itself. However the connection ends,
        `on_closed` is called then, on that thread.

        Raises:
            StorageUnavailable, StorageCorrupt: as `faults` translates what SQLite says.
        """
        connect_here = partial(
            connect,
            path,
            mode,
            busy_timeout_s=busy_timeout_s,
            set_up=set_up,
            own_sectors=own_sectors,
        )
        connection = cls(connect_here, on_closed)
        try:
            await connection
        except RuntimeError:  # no thread could be started
            on_closed()
            raise
        return connection

    def run(self, function: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run `function` on the connection's thread; answer with what it returns or raises.

        Functions run in the order of the calls. Cancelling the answer does not stop the function.

        Raises:
            StorageUnavailable: the connection is closed.
        """
        if self._closed:
            raise StorageUnavailable("closed")
        return self._hop(lambda: function(self._conn))

    async def close(self) -> None:
        """Finish what was asked for, then close; refuse what comes later. Harmless when closed."""
        if self._closed:
            return
        closed = asyncio.get_running_loop().create_future()
        self.abandon(then=partial(_deliver, closed, partial(_succeed, closed, None)))
        await closed

    def abandon(self, then: Callable[[], object] = _nothing) -> None:
        """Close without waiting: the thread finishes its operation, closes and calls `then`.

        Works without a running loop. On a connection that is closed `then` is called at once.
        """
        if self._closed:
            then()
        else:
            self._closed = True
            self._tx.put_nowait((None, partial(self._end, then)))

    async def _connect(self) -> "ThreadConnection":
        try:
            await self._hop(self._connect_here)
        except BaseException:
            self.abandon()
            raise
        return self

    def _connect_here(self) -> None:
        # Kept here and not by the awaiting side, which may be cancelled and would lose it open.
        self._connection = self._connector()

    def _end(self, then: Callable[[], object]) -> None:
        if self._connection is not None:
            self._connection.close()
        self.stop()  # called on its own thread it finds no loop, and so makes no future to answer
        self._on_closed()
        then()

    def _hop(self, function: Callable[[], T]) -> asyncio.Future[T]:
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((None, partial(_run, function, answer)))
        return answer


def _run(function: Callable[[], T], answer: asyncio.Future[T]) -> None:
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the asker
        _deliver(answer, partial(_fail, answer, error))
    else:
        _deliver(answer, partial(_succeed, answer, result))


def _deliver(answer: asyncio.Future[T], set_answer: Callable[[], None]) -> None:
    try:
        answer.get_loop().call_soon_threadsafe(set_answer)
    except RuntimeError:
        return  # the loop was closed meanwhile, and its callers are gone


def _succeed(answer: asyncio.Future[T], result: T) -> None:
    if not answer.done():  # its asker may have been cancelled
        answer.set_result(result)


def _fail(answer: asyncio.Future[T], error: BaseException) -> None:
    if not answer.done():
        answer.set_exception(error)
