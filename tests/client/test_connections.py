"""Clients keep their connections: one serves all calls that come one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from taskqueue import AsyncClient, Client, TaskNotFound
from taskqueue.testing.process import ServiceProcess

CALLS = 50


class Counter:
    """How many connections were made."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0


@asynccontextmanager
async def counting(service: ServiceProcess) -> AsyncIterator[Counter]:
    """Pass connections on to the service, and count them."""
    counter, port = Counter(), int(service.url.rpartition(":")[2])

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        counter.connections += 1
        there, here = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(passed_on(reader, here), passed_on(there, writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    counter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield counter


async def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


async def test_fifty_calls_of_a_client_share_a_connection(service: ServiceProcess) -> None:
    def script(url: str) -> int:
        with Client(url) as queue:
            for n in range(CALLS // 2):
                task = queue.enqueue("add", left=n, right=1)
                assert task.status() in {"queued", "running", "completed"}
            return int(task.result(timeout_s=20))

    async with counting(service) as counter:
        result = await asyncio.to_thread(script, counter.url)

    assert result == CALLS // 2
    assert counter.connections == 1


async def test_fifty_calls_of_an_asynchronous_client_share_a_connection(
    service: ServiceProcess,
) -> None:
    async with counting(service) as counter, AsyncClient(counter.url) as queue:
        for n in range(CALLS // 2):
            task = await queue.enqueue("add", left=n, right=1)
            assert await task.status() in {"queued", "running", "completed"}
        result = await task.result(timeout_s=20)

    assert result == CALLS // 2
    assert counter.connections == 1


async def test_a_refused_call_leaves_the_connection_to_the_next(service: ServiceProcess) -> None:
    unknown = "0197a4c8-0000-7000-8000-000000000000"

    def script(url: str) -> None:
        with Client(url) as queue:
            for _ in range(3):
                with pytest.raises(TaskNotFound):
                    queue.task(unknown).status()

    async with counting(service) as counter, AsyncClient(counter.url) as queue:
        await asyncio.to_thread(script, counter.url)
        for _ in range(3):
            with pytest.raises(TaskNotFound):
                await queue.task(unknown).status()

    assert counter.connections == 2
