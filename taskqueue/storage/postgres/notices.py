"""Tells other nodes that something was committed, and hears it from them.

    commit ─▶ NOTIFY, on a connection of its own ─▶ LISTEN ─▶ on_foreign_commit

A notice only shortens the wait until the next poll: it may be missed, and nothing waits for it.
PostgreSQL takes a lock of the whole database for each commit that notifies. So notices are sent
beside the commits of tasks, at most one in `SPACING_S`, and a node that hears of many is woken as
seldom. They need a session: behind a pooler in transaction mode there are none, unless the server
can be reached directly as well.
"""

import asyncio
import contextlib
import math
import secrets
from collections.abc import Awaitable, Callable

from taskqueue.errors import StorageError, StorageLost
from taskqueue.storage.postgres.connections import SQL, Connection, connect, drop
from taskqueue.storage.postgres.database import PostgresDatabase

CHANNEL = "taskqueue"
SPACING_S = 0.05
AGAIN_S = 5.0
"""When a lost connection is tried again."""

# Nothing waits for this commit, so it need not wait for the disk.
_TELL = """
BEGIN; SET LOCAL synchronous_commit TO off; NOTIFY {channel}, '{sender}'; COMMIT
"""


class Notices:
    """The connection that notices go over, in both directions."""

    def __init__(
        self,
        database: PostgresDatabase,
        notify: Callable[[], object],
        on_connect: Callable[[SQL], Awaitable[None]],
    ) -> None:
        """Call `notify` for notices of others, and `on_connect` for each new connection."""
        self._database = database
        self._notify = notify
        self._on_connect = on_connect
        self._sender = secrets.token_hex(8)
        self._text = _TELL.format(channel=CHANNEL, sender=self._sender)
        self._connection: Connection | None = None
        self._is_due = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._woken_at = -math.inf
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, unless a pooler in transaction mode stands between."""
        if not self._database.has_pooler:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def tell(self) -> None:
        """Send a notice soon."""
        self._is_due.set()

    async def close(self) -> None:
        """Stop. What is due is not sent any more."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            await asyncio.wait({running})

    def abandon(self) -> None:
        """Stop without waiting."""
        running, self._running = self._running, None
        if running is not None and not running.get_loop().is_closed():
            running.cancel()
        self._drop()

    async def _run(self) -> None:
        try:
            while True:
                with contextlib.suppress(StorageError, OSError, TimeoutError):
                    await self._serve(await self._connected())
                self._drop()
                await asyncio.sleep(AGAIN_S)
        finally:
            self._drop()

    async def _connected(self) -> Connection:
        connection = self._connection = await connect(self._database)
        try:
            await self._on_connect(connection)
            await connection.add_listener(CHANNEL, self._heard)
        except Exception as error:
            raise StorageLost(f"{self._database}: no notices") from error
        self._notify()  # of what was missed
        return connection

    async def _serve(self, connection: Connection) -> None:
        connection.add_termination_listener(lambda _: self._is_due.set())
        while not connection.is_closed():
            await self._is_due.wait()
            self._is_due.clear()
            if not connection.is_closed():
                try:
                    await connection.execute(self._text)
                except Exception:  # noqa: BLE001  lost: it is made again
                    return
                await asyncio.sleep(SPACING_S)

    def _heard(self, _: Connection, pid: int, channel: str, payload: object) -> None:
        if payload == self._sender or self._waking is not None:
            return
        loop = asyncio.get_running_loop()
        self._waking = loop.call_at(max(loop.time(), self._woken_at + SPACING_S), self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken_at = asyncio.get_running_loop().time()
        if self._running is not None:  # else it was closed meanwhile
            self._notify()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)
