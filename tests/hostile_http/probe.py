"""A well-behaved client: one request after the other, and how long each answer took."""

import asyncio
import time
from pathlib import Path
from typing import NamedTuple

PAUSE_S = 0.01
PATIENCE_S = 20.0

_BODY = b'{"action":"uppercase","data":{"text":"hi"}}'
_POST = (
    b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n%b"
) % (len(_BODY), _BODY)


class Sample(NamedTuple):
    """One request: when it was sent (monotonic), how long it took, and how it went."""

    at: float
    took_s: float
    status: str


def probe(port: int, over: str) -> list[Sample]:
    """Post tasks until there is a file `over`; for a process of its own."""
    return asyncio.run(_probe(port, Path(over)))


async def _probe(port: int, over: Path) -> list[Sample]:
    client = _Client(port)
    samples: list[Sample] = []
    while not over.exists():  # noqa: ASYNC240 - it takes a microsecond
        at = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE_S):
                status = await client.post()
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            status = type(error).__name__
            client.hang_up()
        samples.append(Sample(at, time.monotonic() - at, status))
        await asyncio.sleep(PAUSE_S)
    client.hang_up()
    return samples


class _Client:
    """Keeps one connection, and makes another if the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self) -> str:
        try:
            return await self._post()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.hang_up()  # the server may close an idle connection at any time
            return await self._post()

    async def _post(self) -> str:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(_POST)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(size)
        return head[9:12].decode("latin-1")

    def hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None
