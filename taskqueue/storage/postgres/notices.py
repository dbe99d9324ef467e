"""Tells other nodes that something was committed, and hears it from them.

    commit ─▶ NOTIFY ─▶ LISTEN, on a connection of its own ─▶ on_foreign_commit

A notice only shortens the wait until the next poll: nothing waits for it. But a node that listens
polls seldom while it is idle, so each node has to tell, whether it listens itself or not.

To listen takes a session: behind a pooler in transaction mode there is none, unless the server can
be reached directly as well. To tell takes a transaction: while there is no session, one of another
connection. PostgreSQL takes a lock of the whole database for each commit that notifies. So notices
are sent beside the commits of tasks, at most one in `SPACING_S`, and a node that hears of many is
woken as seldom.
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
SPACING_S = 0.02
AGAIN_S = 5.0
"""When a lost connection is tried again."""

PING_S = 5.0
"""A connection that is silent for so long is tested: the other end may be gone unnoticed."""

ANSWER_S = 5.0
"""How long the server may take for a notice or a ping."""

TELL_AGAIN_S = 0.5

LAST_S = 1.0
"""How long a node that stops tries to tell of what it has committed last, such as releases."""

# Nothing waits for this commit, so it need not wait for the disk.
_TELL = "SET LOCAL synchronous_commit TO off; NOTIFY {channel}, '{sender}'"
_PING = "SELECT"


class Notices:
    """Notices in both directions."""

    def __init__(
        self,
        database: PostgresDatabase,
        notify: Callable[[], object],
        *,
        on_connect: Callable[[SQL], Awaitable[None]],
        execute_elsewhere: Callable[[str], Awaitable[object]],
    ) -> None:
        """Listen at `database`, if that can be done.

        Args:
            database: the server itself, if there is a way to it.
            notify: called for notices of others, and when listening begins or ends.
            on_connect: called for each new connection.
            execute_elsewhere: runs statements in a transaction of another connection.
        """
        self._database = database
        self._notify = notify
        self._on_connect = on_connect
        self._execute_elsewhere = execute_elsewhere
        self._sender = secrets.token_hex(8)
        self._text = _TELL.format(channel=CHANNEL, sender=self._sender)
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()  # of statements on it
        self._listens = False
        self._is_due = asyncio.Event()
        self._waking: asyncio.TimerHandle | None = None
        self._woken_at = -math.inf
        self._running: tuple[asyncio.Task[None], ...] = ()

    @property
    def are_heard(self) -> bool:
        """Whether notices of others arrive here."""
        return self._listens and self._connection is not None and not self._connection.is_closed()

    def start(self) -> None:
        """Begin to tell, and to listen unless a pooler in transaction mode stands between."""
        loop = asyncio.get_running_loop()
        self._running = (loop.create_task(self._keep_telling()),)
        if not self._database.has_pooler:
            self._running += (loop.create_task(self._keep_listening()),)

    def tell(self) -> None:
        """Send a notice soon."""
        self._is_due.set()

    async def close(self) -> None:
        """Stop, once what is due was sent, if that can be done in a moment."""
        running, self._running = self._running, ()
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        if self._is_due.is_set():
            with contextlib.suppress(StorageError, OSError, TimeoutError):
                async with asyncio.timeout(LAST_S):
                    await self._execute_elsewhere(self._text)

    def abandon(self) -> None:
        """Stop without waiting."""
        running, self._running = self._running, ()
        for task in running:
            if not task.get_loop().is_closed():
                task.cancel()
        self._drop()

    # --- telling --------------------------------------------------------------------------------

    async def _keep_telling(self) -> None:
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self._tell()
            except asyncio.CancelledError:
                self._is_due.set()
                raise
            except (StorageError, OSError, TimeoutError):
                self._is_due.set()
                await asyncio.sleep(TELL_AGAIN_S)
            else:
                await asyncio.sleep(SPACING_S)

    async def _tell(self) -> None:
        connection = self._connection
        if connection is not None and self.are_heard:
            await self._execute_here(connection, f"BEGIN; {self._text}; COMMIT")
        else:
            await self._execute_elsewhere(self._text)

    async def _execute_here(self, connection: Connection, text: str) -> None:
        """Run statements in the session that listens, which is lost if that fails."""
        try:
            async with self._turn, asyncio.timeout(ANSWER_S):
                await connection.execute(text)
        except Exception as error:
            drop(connection)
            raise StorageLost(f"{self._database}: no notices") from error

    # --- listening ------------------------------------------------------------------------------

    async def _keep_listening(self) -> None:
        try:
            while True:
                with contextlib.suppress(StorageError, OSError, TimeoutError):
                    await self._watch(await self._connected())
                self._lose()
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
        self._listens = True
        self._notify()  # of what was missed
        return connection

    async def _watch(self, connection: Connection) -> None:
        """Return when the connection has ended; see that it still leads to the server."""
        has_ended = asyncio.Event()
        connection.add_termination_listener(lambda _: has_ended.set())
        while not connection.is_closed():
            try:
                async with asyncio.timeout(PING_S):
                    await has_ended.wait()
            except TimeoutError:
                await self._execute_here(connection, _PING)

    def _lose(self) -> None:
        """Listen no more, and have that known."""
        self._drop()
        if self._listens:
            self._listens = False
            self._notify()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            drop(connection)

    # --- hearing --------------------------------------------------------------------------------

    def _heard(self, _: Connection, pid: int, channel: str, payload: object) -> None:
        if payload == self._sender or self._waking is not None:
            return
        loop = asyncio.get_running_loop()
        self._waking = loop.call_at(max(loop.time(), self._woken_at + SPACING_S), self._wake)

    def _wake(self) -> None:
        self._waking = None
        self._woken_at = asyncio.get_running_loop().time()
        if self._running:  # else it was closed meanwhile
            self._notify()
