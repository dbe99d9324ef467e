"""Back-pressure: admits large bodies no faster than they are stored.

A body that cannot be stored yet is left in the client's socket. There it costs no memory, and the
loop has time to notice that the storage hangs, and to report it.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.health import Availability

LARGE_BYTES = 65_536
MOST_BYTES = 8 << 20  # of large bodies that are read and not yet stored
MAX_WAIT_S = 5.0  # as long as a body that was read waits to be stored
_LOOK_S = 0.25


class Backpressure:
    """Counts the large bodies that wait to be stored."""

    def __init__(self, availability: Availability) -> None:
        """Begin with none; `availability` says whether anything can be stored."""
        self._availability = availability
        self._storing = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def admit(self, request: web.Request) -> None:
        """Wait until the body of `request` may be read; a small one may be at once.

        Raises:
            StorageUnavailable: nothing can be stored now, or too much has waited for too long.
        """
        self._require_writable()
        if self._storing >= MOST_BYTES and _may_be_large(request):
            await self._room()

    @contextmanager
    def storing(self, body: bytes) -> Iterator[None]:
        """Count a large body until it is stored or refused, in the block."""
        self._storing += len(body)
        try:
            yield
        finally:
            self._storing -= len(body)
            self._wake()

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + MAX_WAIT_S
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        try:
            while self._storing >= MOST_BYTES:
                if loop.time() > until:
                    raise StorageUnavailable("the bodies before this one are not stored yet")
                await asyncio.wait((turn,), timeout=_LOOK_S)
                self._require_writable()
                if turn.done() and self._storing >= MOST_BYTES:  # a body has come in between
                    turn = loop.create_future()
                    self._waiting.appendleft(turn)
        finally:
            turn.cancel()

    def _require_writable(self) -> None:
        if self._availability.unavailable is not None:
            raise StorageUnavailable(self._availability.unavailable)

    def _wake(self) -> None:
        """Admit the one that has waited longest."""
        while self._waiting and self._storing < MOST_BYTES:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return


def is_large(body: bytes) -> bool:
    """Tell whether a body is counted until it is stored."""
    return len(body) > LARGE_BYTES


def _may_be_large(request: web.Request) -> bool:
    """Tell whether the body has not arrived and is large, or of a length that is not known."""
    length = request.content_length
    return not request.content.is_eof() and (length is None or length > LARGE_BYTES)
