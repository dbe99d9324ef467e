"""One connection: aiohttp's, with limits, and with errors that are problems."""

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from taskqueue.events import events
from taskqueue.http import problems
from taskqueue.http.problems import VERSIONS, Problem
from taskqueue.http.server.connections import Connections
from taskqueue.http.server.limits import MAX_LINE_BYTES

_READ_BYTES = 16_384  # parsed ahead of a handler; the chunks in it keep the loop for 1 ms
_NO_LINGER = struct.pack("ii", 1, 0)


_OF_THE_CLIENT = (
    HttpProcessingError,
    web.RequestPayloadError,
    web.PayloadAccessError,
    ConnectionError,
)


class Connection(web.RequestHandler):
    """Parses requests, has them handled and sends the answers."""

    __slots__ = (
        "_answered",
        "_client_is_done",
        "_connections",
        "_head_at",
        "_leave",
        "_since",
        "_stalled_at",
        "held",
    )

    def __init__(self, server: web.Server, connections: Connections, **kwargs: Any) -> None:
        """Make a connection of `server`, one of `connections`; the rest is for aiohttp."""
        loop = asyncio.get_running_loop()
        limits = connections.limits
        super().__init__(
            server,
            loop=loop,
            keepalive_timeout=limits.idle_s,
            lingering_time=limits.linger_s,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            auto_decompress=False,
            read_bufsize=_READ_BYTES,
            **kwargs,
        )
        self._connections = connections
        self._since = loop.time()
        self._head_at: float | None = None
        self._stalled_at = 0.0
        self._answered = 0
        self._client_is_done = False
        self._leave: Callable[[], object] | None = None
        self.held = 0

    # --- what it costs -------------------------------------------------------------------------

    def waits_since(self) -> float | None:
        """Return since when it has waited for its client, None while we work for it."""
        if self._paused:
            return self._stalled_at
        if self._is_idle():
            return self._since
        request = self._current_request
        return None if request is None or request.content.is_eof() else self._since

    def is_overdue(self, now: float) -> bool:
        """Tell whether a header or the reading of an answer takes too long.

        aiohttp itself closes what is idle, and the reading of a body has a limit of its own.
        """
        limits = self._connections.limits
        if self._paused:
            return now - self._stalled_at > limits.stalled_s
        return self._is_idle() and self._head_at is not None and now - self._head_at > limits.head_s

    @property
    def body_s(self) -> float:
        """How long the body of a request may take to arrive."""
        return self._connections.limits.body_s

    def hold(self, size: int) -> None:
        """Count bytes of the request or its answer that wait for the client."""
        self._connections.hold(self, size)

    def drop_rest(self) -> None:
        """Close without reading the rest of a body, even if its client then misses the answer."""
        self._lingering_time = 0.0

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Call `callback` as soon as the client sends no more, until its request is answered."""
        self._leave = callback
        if self._client_is_done or self.transport is None:
            self._left()

    def _left(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def cut(self) -> None:
        """Close at once; what has not been sent is dropped."""
        transport = self.transport
        if transport is not None:
            # Otherwise the system would keep what is in its buffers until the client reads it.
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
            )
            transport.abort()

    def _is_idle(self) -> bool:
        return self._request_count == self._answered

    # --- what asyncio calls --------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what came; note when a header begins."""
        super().data_received(data)
        # While aiohttp reads the rest of a refused body, it does not wait for a request.
        if self._head_at is None and self._waiter is not None and self._is_idle():
            self._head_at = self._loop.time()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks for a bool
        """Answer what was asked before the client said that it is done; True keeps us open."""
        if self._upgraded or self._is_idle():
            return False
        self._client_is_done = True
        self._end_body()
        self._left()
        return True

    def _end_body(self) -> None:
        """Tell who reads the last body, if it is not complete, that nothing more will come."""
        if self._messages:
            content = self._messages[-1][1]
        elif self._current_request is not None:
            content = self._current_request.content
        else:
            if not self._is_idle():  # aiohttp is between the two
                self._loop.call_soon(self._end_body)
            return
        if not content.is_eof():
            content.set_exception(web.RequestPayloadError("the client has sent no more"))

    def pause_writing(self) -> None:
        """Note since when the client has not read."""
        super().pause_writing()
        self._stalled_at = self._loop.time()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give up the place."""
        super().connection_lost(exc)
        self._connections.forget(self)
        self._left()

    # --- what aiohttp calls ----------------------------------------------------------------------

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer. What aiohttp refuses outside of our middlewares is a problem too."""
        if isinstance(resp, web.HTTPException):
            resp = problems.of_aiohttp(resp).response()
        if request.version not in VERSIONS:  # it was refused, in words that its client may know
            request._cache["version"] = HttpVersion11  # noqa: SLF001 - there is no public way
        try:
            return await super().finish_response(request, resp, start_time)
        finally:
            self._connections.release(self)
            self._leave = None
            self._answered += 1
            self._since = self._loop.time()
            self._head_at = None
            if self._client_is_done and not self._messages:
                self.close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what is no request, or what failed before it reached a route.

        Neither the answer nor the log repeats what was sent: it may hold a password.
        """
        if isinstance(exc, UnicodeError) and hdrs.EXPECT in request.headers:
            problem = problems.expectation_failed()
        elif isinstance(exc, HttpProcessingError):
            problem = _of_parser(exc)
        else:
            problem = problems.surprise(request, exc)
        response = problem.response()
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log unexpected errors. A client that disconnects or sends garbage is not one."""
        error = kw.get("exc_info")
        if not isinstance(error, _OF_THE_CLIENT):
            events.error("http_connection_failed", exc_info=error)


def _of_parser(error: HttpProcessingError) -> Problem:
    if isinstance(error, LineTooLong):
        return problems.header_too_large(MAX_LINE_BYTES)
    return problems.not_http()
