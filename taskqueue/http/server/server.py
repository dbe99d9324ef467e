"""The HTTP server: an application behind a socket, with limits for its clients."""

import socket
from functools import partial
from typing import cast

from aiohttp import web

from taskqueue.http.access import AccessLog
from taskqueue.http.server import descriptors
from taskqueue.http.server.connection import Connection
from taskqueue.http.server.connections import Connections
from taskqueue.http.server.limits import Limits, connections_within
from taskqueue.http.server.listener import Listener

_CUT_S = 0.01  # aiohttp takes 0 for no limit


class HttpServer:
    """Serves one application on one socket, once."""

    def __init__(self, app: web.Application, *, shutdown_s: float, limits: Limits) -> None:
        """Make a server.

        Args:
            app: answers the requests.
            shutdown_s: how long `close` waits for requests in flight.
            limits: what each client may cost.
        """
        self._runner = web.AppRunner(app, shutdown_timeout=shutdown_s)
        most = connections_within(limits, descriptors.limit())
        self._connections = Connections(limits, most)
        self._listener: Listener | None = None

    async def start(self, sock: socket.socket) -> None:
        """Accept connections of `sock`, which is bound and belongs to the caller."""
        await self._runner.setup()
        server = cast(web.Server, self._runner.server)  # there is one from `setup` to `cleanup`
        make = partial(Connection, server, self._connections, access_log_class=AccessLog)
        self._listener = Listener(sock, self._connections, make)
        self._listener.start()

    def stop_accepting(self) -> None:
        """Accept no new connection; those that are open go on."""
        if self._listener is not None:
            self._listener.stop()

    async def close(self) -> None:
        """Finish the requests in flight, then close every connection."""
        self.stop_accepting()
        await self._runner.cleanup()

    async def cut(self) -> None:
        """Close every connection at once."""
        self.stop_accepting()
        if self._runner.server is not None:
            await self._runner.server.shutdown(_CUT_S)
        await self._runner.cleanup()
