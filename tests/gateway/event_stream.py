"""Server-sent events, taken apart as the HTML standard says."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import ClientResponse, ClientSession

LIMIT_S = 10.0  # what a test waits for at most, for anything


class Received(NamedTuple):
    """One block; without a name it only gives an id."""

    id: str
    name: str
    data: dict[str, Any]


def parsed(blocks: bytes) -> list[Received]:
    """Return whole blocks; those that are comments alone are left out."""
    assert not blocks or blocks.endswith(b"\n\n"), blocks
    found = [_block(text) for text in blocks.decode().split("\n\n") if text]
    return [each for each in found if each != Received("", "", {})]


def _block(text: str) -> Received:
    fields: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        assert name in {"", "id", "event", "data", "retry"}, line
        fields[name] = value.removeprefix(" ")
    return Received(
        fields.get("id", ""), fields.get("event", ""), json.loads(fields.get("data", "{}"))
    )


class Stream:
    """One stream as its client reads it."""

    def __init__(self, response: ClientResponse, opened: Received) -> None:
        self.response = response
        self.opened = opened

    async def block(self) -> Received:
        """Return the next block, also one that only gives an id."""
        async with asyncio.timeout(LIMIT_S):
            text = await self.response.content.readuntil(b"\n\n")
        return _block(text.decode().removesuffix("\n\n"))

    async def event(self) -> Received:
        """Return the next event."""
        while True:
            if (block := await self.block()).name:
                return block

    async def ends(self) -> list[Received]:
        """Return what comes until the service ends the stream, which it has to."""
        async with asyncio.timeout(LIMIT_S):
            return [each for each in parsed(await self.response.content.read()) if each.name]


@asynccontextmanager
async def streaming(
    http: ClientSession, query: str = "", *, after: str | None = None, **headers: str
) -> AsyncIterator[Stream]:
    """Open a stream; nothing that happens from here on is missed."""
    if after is not None:
        headers["Last-Event-ID"] = after
    async with http.get(f"/events{query}", headers=headers) as response:
        assert response.status == 200, await response.text()
        async with asyncio.timeout(LIMIT_S):
            first = await response.content.readuntil(b"\n\n")
        yield Stream(response, _block(first.decode().removesuffix("\n\n")))
