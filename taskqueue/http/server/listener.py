"""Accepts connections: no more than there may be, and never in a loop of failures."""

import asyncio
import errno
import socket
from collections.abc import Callable

from taskqueue.events import events
from taskqueue.http.server.connection import Connection
from taskqueue.http.server.connections import Connections
from taskqueue.process import origin

BACKLOG = 1024  # connections that wait to be accepted, also while there is no server

_AT_ONCE = 4  # accepted in one turn of the loop; a request takes several turns
_RETRY_S = 0.05  # until the next try to accept, when there is no room
_LOOK_S = 1.0  # between two looks for clients whose time is up, and two lines about room
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Listener:
    """Hands the connections of a listening socket to the protocol.

    If there is no room, that is too many connections or no descriptor, it closes those that have
    waited longest for their clients. Connections that cannot be accepted wait in the backlog.
    """

    def __init__(
        self, sock: socket.socket, connections: Connections, make: Callable[[], Connection]
    ) -> None:
        """Make a listener; nothing is accepted before it is started.

        Args:
            sock: is bound; it belongs to the caller.
            connections: those that are open.
            make: returns the protocol of a new connection.
        """
        self._loop = asyncio.get_running_loop()
        self._sock = sock
        self._connections = connections
        self._make = make
        self._opening: set[asyncio.Task[None]] = set()
        self._retry: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._closed_for_room = 0
        self._reason = ""

    def start(self) -> None:
        """Accept what has connected and what will."""
        self._sock.setblocking(False)
        self._sock.listen(BACKLOG)
        self._loop.add_reader(self._sock, self._accept)
        self._look_around()

    def stop(self) -> None:
        """Accept nothing more; harmless when it is repeated."""
        self._loop.remove_reader(self._sock)
        for handle in (self._retry, self._look):
            if handle is not None:
                handle.cancel()
        for task in self._opening:
            task.cancel()

    def _accept(self) -> None:
        if not self._has_room():
            return
        origin.keep_streams()
        for _ in range(_AT_ONCE):
            if len(self._connections.open) >= self._connections.most:
                return  # we are called again, if others wait
            try:
                sock, _ = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                lacks_room = error.errno in _NO_ROOM
                closed = self._connections.close_longest_waiting() if lacks_room else 0
                self._note(closed, str(error.strerror))
                self._try_later()
                return
            self._open(sock)

    def _has_room(self) -> bool:
        connections = self._connections
        if closed := connections.make_room():
            self._note(closed, f"{connections.most} connections are open")
        if len(connections.open) < connections.most:
            return True
        self._note(0, f"{connections.most} connections are at work")
        self._try_later()
        return False

    def _open(self, sock: socket.socket) -> None:
        connection = self._make()
        self._connections.open.add(connection)
        task = self._loop.create_task(self._connect(sock, connection))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _connect(self, sock: socket.socket, connection: Connection) -> None:
        sock.setblocking(False)
        try:
            await self._loop.connect_accepted_socket(lambda: connection, sock)
        except BaseException:
            self._connections.forget(connection)
            sock.close()
            raise

    def _try_later(self) -> None:
        self._loop.remove_reader(self._sock)
        self._retry = self._loop.call_later(_RETRY_S, self._resume)

    def _resume(self) -> None:
        self._loop.add_reader(self._sock, self._accept)

    def _note(self, closed: int, reason: str) -> None:
        self._closed_for_room += closed
        self._reason = reason

    def _look_around(self) -> None:
        """Close what is overdue, and log what was closed for room since the last time."""
        if overdue := self._connections.close_overdue(self._loop.time()):
            events.info("connections_overdue", closed=overdue)
        if self._reason:
            events.warning(
                "connections_full",
                reason=self._reason,
                open=len(self._connections.open),
                closed=self._closed_for_room,
            )
            self._closed_for_room, self._reason = 0, ""
        self._look = self._loop.call_later(_LOOK_S, self._look_around)
