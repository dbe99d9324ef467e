"""A client's enqueue survives the service's death, and is accepted once."""

import asyncio
import random
import socket
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from taskqueue import AsyncClient, Client
from taskqueue.testing.process import ServiceProcess
from tests.client.conftest import APP
from tests.forked.service import ForkedService

BETWEEN_KILLS = 10
SEED = random.randrange(1 << 32)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_ten_enqueues_between_two_kills_are_accepted_once_each(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    sys.stdout.write(f"seed {SEED}\n")
    draw = random.Random(SEED)
    port = str(a_free_port())
    kills = 20 if request.config.getoption("--full") else 6
    tasks = kills * BETWEEN_KILLS

    url = f"http://127.0.0.1:{port}"
    enqueueing = asyncio.create_task(asyncio.to_thread(enqueue_all, url, tasks))
    survivor = await die_again_and_again(tmp_path, port, kills, draw)
    async with survivor, AsyncClient(survivor.url) as queue:
        ids = await enqueueing
        stored = [task async for task in queue.tasks()]

    assert sorted(task.data["left"] for task in stored) == list(range(tasks))
    assert {task.id for task in stored} == set(ids)


def enqueue_all(url: str, tasks: int) -> list[str]:
    with Client(url, retry_s=120.0) as queue:
        return [queue.enqueue("add", left=n, right=0).id for n in range(tasks)]


async def die_again_and_again(
    folder: Path, port: str, kills: int, draw: random.Random
) -> ServiceProcess:
    """Start the service over and over, and kill it while it accepts tasks; return the last."""
    for _ in range(kills):
        async with ForkedService(folder, *APP, "--port", port) as service:
            await service.wait_for("task_completed", nth=draw.randint(1, BETWEEN_KILLS))
            service.kill()
            await service.wait()
    return ForkedService(folder, *APP, "--port", port)


async def test_an_enqueue_whose_answer_is_lost_after_its_commit_is_accepted_once(
    tmp_path: Path,
) -> None:
    port = str(a_free_port())
    service = await ForkedService(tmp_path, *APP, "--port", port).launch()
    await service.ready()
    async with DeathBeforeTheAnswer(service) as proxy:
        enqueued = asyncio.create_task(asyncio.to_thread(enqueue_one, proxy.url))
        await service.wait()

        async with ForkedService(tmp_path, *APP, "--port", port) as successor:
            task_id = await enqueued
            async with AsyncClient(successor.url) as queue:
                stored = [task.id async for task in queue.tasks()]

    assert proxy.withheld == [b"HTTP/1.1 202 Accepted"]
    assert stored == [task_id]


def enqueue_one(url: str) -> str:
    with Client(url, retry_s=120.0) as queue:
        return queue.enqueue("add", left=1, right=1).id


class DeathBeforeTheAnswer:
    """A proxy that kills the service instead of passing on its first answer."""

    def __init__(self, service: ServiceProcess) -> None:
        self._service = service
        self._target = urlsplit(service.url)
        self.withheld: list[bytes] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _pass_on(self, asked: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
        with closing(answer), suppress(ConnectionError):
            reader, writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            passing_on = asyncio.create_task(_copy(asked, writer))  # a request may come in parts
            with closing(writer):
                while response := await reader.read(1 << 16):
                    if not self.withheld:
                        self.withheld.append(response.split(b"\r\n")[0])
                        self._service.kill()
                        break
                    answer.write(response)
            passing_on.cancel()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while part := await source.read(1 << 16):
        target.write(part)
    target.close()


def a_free_port() -> int:
    """Return a port below those of outgoing connections.

    A client that keeps connecting to a port of theirs while it is free may get it for itself.
    """
    for port in random.sample(range(15_000, 32_000), 100):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")
