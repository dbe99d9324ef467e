"""A response that is too large to be handed to the socket at once."""

import asyncio
from collections.abc import Callable, Mapping
from traceback import clear_frames
from typing import Protocol, cast

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

PIECE_BYTES = 65_536


class Holder(Protocol):
    """What counts the bytes that are kept for a client: its connection."""

    @property
    def body_s(self) -> float:
        """How long the body of a request may take to arrive."""
        ...

    def hold(self, size: int) -> None:
        """Count bytes until the request has been answered."""
        ...

    def drop_rest(self) -> None:
        """Close without reading the rest of a body, even if its client then misses the answer."""
        ...


class Client(Protocol):
    """The client of a request."""

    def on_leave(self, callback: Callable[[], object]) -> None:
        """Call `callback` as soon as the client sends no more, until its request is answered."""
        ...

    def cut(self) -> None:
        """Close its connection at once; what has not been sent is dropped."""
        ...


def client_of(request: web.BaseRequest) -> Client:
    """Return the client of a request."""
    return cast(Client, request.protocol)


def holder_of(request: web.BaseRequest) -> Holder:
    """Return what counts the bytes of a request's client."""
    return cast(Holder, request.protocol)


class LargeResponse(web.StreamResponse):
    """Holds its body only until it is sent or the client is gone.

    The body goes out in pieces, each when the one before has been read.
    """

    def __init__(self, body: bytes, *, status: int, headers: Mapping[str, str]) -> None:
        """Make the response."""
        super().__init__(status=status, headers=headers)
        self._content = body
        self.content_length = len(body)

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Begin to send it, as aiohttp does; from now on it is counted as held for the client."""
        holder_of(request).hold(len(self._content))
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body as fast as the client reads it, then finish."""
        try:
            if not self._must_be_empty_body:
                await self._send()
        except (ConnectionError, asyncio.CancelledError) as error:
            # The future that was waited for and the frames that waited refer to each other, and
            # would keep this piece until the garbage collector comes around.
            clear_frames(error.__traceback__)
            raise
        finally:
            self._content = b""
        await super().write_eof(data)

    async def _send(self) -> None:
        for start in range(0, len(self._content), PIECE_BYTES):
            await self.write(self._content[start : start + PIECE_BYTES])
