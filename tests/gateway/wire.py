"""Requests as bytes, for what no HTTP client would send."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

LIMIT_S = 10.0  # what a test waits for at most, for anything


class Reply(NamedTuple):
    """An answer, taken apart."""

    status: int
    headers: dict[str, str]
    body: bytes

    def problem(self) -> dict[str, Any]:
        """The body, which has to be a problem."""
        assert self.headers["content-type"] == "application/problem+json", self
        problem: dict[str, Any] = json.loads(self.body)
        assert problem["status"] == self.status
        return problem


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def reply(self) -> Reply:
        """Read one answer."""
        async with asyncio.timeout(LIMIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            assert first.startswith(("HTTP/1.1 ", "HTTP/1.0 ")), first
            headers = {
                name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)
            }
            body = await self.reader.readexactly(int(headers.get("content-length", 0)))
        return Reply(int(first.split()[1]), headers, body)

    async def is_closed(self) -> bool:
        """Wait until the other side closes; True if it sends nothing before."""
        async with asyncio.timeout(LIMIT_S):
            try:
                return await self.reader.read() == b""
            except ConnectionError:
                return True


@contextlib.asynccontextmanager
async def wire_to(sock: socket.socket) -> AsyncIterator[Wire]:
    """Connect to a listening socket."""
    reader, writer = await asyncio.open_connection(*sock.getsockname()[:2], limit=1 << 24)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def exchange(sock: socket.socket, *parts: bytes) -> Reply:
    """Send these bytes on a connection of their own and return the answer."""
    async with wire_to(sock) as wire:
        await wire.send(*parts)
        return await wire.reply()


def request(method: str, target: str, *headers: bytes, body: bytes = b"") -> bytes:
    """Return a request of a client on this machine; it has a length if it has a body."""
    lines = [f"{method} {target} HTTP/1.1".encode()]
    if not any(header.lower().startswith(b"host:") for header in headers):
        lines.append(b"Host: localhost")
    lines += headers
    if body:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + body
