"""Large bodies are taken in no faster than they are stored, and not at all while nothing can be."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.commands import Enqueue
from taskqueue.http import backpressure
from taskqueue.runtime import Request
from tests.gateway.scripted import ScriptedService
from tests.gateway.wire import LIMIT_S, Wire, exchange, request, wire_to

SIZE = 500_000
FULL = backpressure.MOST_BYTES // SIZE + 1
BODY = b'{"action": "uppercase", "data": {"text": "%s"}}' % (b"x" * SIZE)
SMALL = b'{"action": "uppercase"}'
HUNG = "the process that writes is stopped"


class HangingService(ScriptedService):
    """Accepts tasks and stores them when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: asyncio.Queue[int] = asyncio.Queue()
        self.stores = asyncio.Event()

    async def __call__(self, request: Request[Any]) -> Any:
        if isinstance(request, Enqueue):
            self.asked.put_nowait(len(request.tasks[0].payload))
            await self.stores.wait()
        return await super().__call__(request)


@pytest.fixture
async def service() -> HangingService:
    service = HangingService()
    await service.storage.migrate()
    await service.storage.open()
    return service


def post(body: bytes) -> bytes:
    return request("POST", "/tasks", b"Content-Type: application/json", body=body)


@contextlib.asynccontextmanager
async def posting(sock: socket.socket, service: HangingService) -> AsyncIterator[list[Wire]]:
    """Post as many large bodies as are taken in, and then five more."""
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(wire_to(sock)) for _ in range(FULL + 5)]
        for wire in wires[:FULL]:
            await wire.send(post(BODY))
            async with asyncio.timeout(LIMIT_S):
                await service.asked.get()
        for wire in wires[FULL:]:
            wire.writer.write(post(BODY))
        yield wires


async def test_a_large_body_waits_unread_until_those_before_it_are_stored(
    http: ClientSession, sock: socket.socket, service: HangingService
) -> None:
    async with posting(sock, service) as wires:
        ready = await exchange(sock, request("GET", "/ready"))
        small = asyncio.ensure_future(exchange(sock, post(SMALL)))
        async with asyncio.timeout(LIMIT_S):
            first_asked = await service.asked.get()
        service.stores.set()
        replies = [await wire.reply() for wire in wires]

        assert ready.status == 200
        assert first_asked < SIZE  # the small one has passed all that are large
        assert (await small).status == 202
        assert [reply.status for reply in replies] == [202] * len(wires)


async def test_large_bodies_that_wait_are_refused_unread_as_soon_as_nothing_can_be_stored(
    http: ClientSession, sock: socket.socket, service: HangingService
) -> None:
    async with posting(sock, service) as wires:
        service.availability.unavailable = HUNG
        refused = [await wire.reply() for wire in wires[FULL:]]

        assert [reply.status for reply in refused] == [503] * 5
        assert service.asked.empty()
        service.stores.set()


async def test_a_large_body_that_has_waited_for_too_long_is_refused(
    http: ClientSession,
    sock: socket.socket,
    service: HangingService,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(backpressure, "MAX_WAIT_S", 0.0)
    async with posting(sock, service) as wires:
        refused = [await wire.reply() for wire in wires[FULL:]]

        assert [reply.status for reply in refused] == [503] * 5
        service.stores.set()


async def test_a_client_that_leaves_while_it_waits_costs_the_next_one_nothing(
    http: ClientSession, sock: socket.socket, service: HangingService
) -> None:
    async with posting(sock, service) as wires:
        for wire in wires[FULL : FULL + 4]:
            wire.writer.transport.abort()
        service.stores.set()

        assert (await wires[-1].reply()).status == 202
