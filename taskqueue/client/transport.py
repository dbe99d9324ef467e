"""Requests of a `Client`, over connections that are kept and shared among threads."""

import socket
from collections.abc import Generator
from functools import partial
from http import HTTPStatus
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError

from taskqueue.client.address import ServiceAddress
from taskqueue.client.call import Answer, Call, NoAnswer
from taskqueue.client.event_stream import SILENCE_S, Block, BlockReader
from taskqueue.client.following import Following
from taskqueue.client.sockets import advice

MAX_IDLE = 16  # connections kept for the next request
PIECE_BYTES = 65_536  # of a stream, read at once


class Transport:
    """Sends one request at a time per thread, each on a connection of its own."""

    def __init__(self, address: ServiceAddress, timeout_s: float) -> None:
        """Make one; `timeout_s` is the longest wait for a connection and for an answer."""
        self._address = address
        self._timeout_s = timeout_s
        self._pool = urllib3.PoolManager(retries=False, maxsize=MAX_IDLE)
        if (path := address.socket) is not None:
            # It is called as a class is.
            self._pool.pool_classes_by_scheme = {"http": partial(_UnixPool, path)}  # type: ignore[dict-item]

    def send(self, call: Call[object]) -> Answer | NoAnswer:
        """Send the request once; redirects are not followed."""
        try:
            response = self._pool.request(
                call.method,
                self._address.base + call.path,
                body=call.body,
                headers={**self._address.headers, **call.headers},
                timeout=urllib3.Timeout(self._timeout_s, self._timeout_s + call.waits_s),
                redirect=False,
            )
        except HTTPError as error:
            return NoAnswer(self._reason(error), not isinstance(error, _NEVER_SENT))
        return Answer(response.status, response.data, response.headers.get("Retry-After"))

    def stream(self, following: Following) -> Generator[Block | Answer | NoAnswer, None, None]:
        """Yield the blocks of one connection, then why there are no more, unless it has ended."""
        try:
            response = self._pool.request(
                "GET",
                self._address.base + following.path,
                headers={**self._address.headers, **following.headers},
                timeout=urllib3.Timeout(self._timeout_s, SILENCE_S),
                redirect=False,
                preload_content=False,
            )
            try:
                if response.status != HTTPStatus.OK:
                    retry_after = response.headers.get("Retry-After")
                    yield Answer(response.status, response.data, retry_after)
                    return
                reader = BlockReader()
                while received := response.read1(PIECE_BYTES, decode_content=False):
                    yield from reader.feed(received)
            finally:
                response.close()
        except HTTPError as error:
            yield NoAnswer(self._reason(error), not isinstance(error, _NEVER_SENT))

    def close(self) -> None:
        """Close the connections that no request uses."""
        self._pool.clear()

    def _reason(self, error: HTTPError) -> str:
        cause = error.__cause__
        if isinstance(error, _NEVER_SENT) and isinstance(cause, OSError):
            return advice(self._address.socket, cause)
        return str(error)


class _UnixPool(urllib3.HTTPConnectionPool):
    """Connections to a Unix socket."""

    def __init__(self, path: str, host: str, port: int | None, **context: Any) -> None:
        super().__init__(host, port, **context)
        self.ConnectionCls = partial(_UnixConnection, path)  # type: ignore[assignment]  # it is called


class _UnixConnection(HTTPConnection):
    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self._path = path

    def _new_conn(self) -> socket.socket:
        """Connect, as urllib3 does over TCP."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(self._path)
        except OSError as error:
            connection.close()
            kind = ConnectTimeoutError if isinstance(error, TimeoutError) else NewConnectionError
            raise kind(self, str(error)) from error
        return connection


_NEVER_SENT = (NewConnectionError, ConnectTimeoutError)
