"""Each part is killed under load, and the service heals: alone, within a moment, at no one's cost.

The parts are killed through `POST /supervision/kill`, as a curious operator would. What is accepted
meanwhile is completed; a connection that was open stays open unless it is the gateway that dies;
and both the log and `GET /supervision` tell who was restarted and why.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest

from taskqueue.supervisor import ROOT_INTENSITY
from tests.system.services import TIMEOUT_S, Client, Services, until, when

pytestmark = pytest.mark.forked

FLAGS = ("--demo-work-s", "0.01", "--retry-initial-s", "0.05")
VICTIMS = ("consumers/consumer-1", "queue", "database", "consumers")
RECOVERY_S = 5.0
GATEWAY_KILLS = 5


class Load:
    """Clients that post all the time, each task on a connection of its own."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        self.refused = 0  # nobody took the connection
        self.cut = 0  # it was taken, and ended without an answer
        self.unavailable = 0

    @contextlib.asynccontextmanager
    async def on(self, url: str) -> AsyncIterator[None]:
        connector = aiohttp.TCPConnector(force_close=True)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
            posting = [asyncio.create_task(self._post(http, url)) for _ in range(4)]
            try:
                yield
            finally:
                for each in posting:
                    each.cancel()
                ends = await asyncio.gather(*posting, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ends), ends

    async def _post(self, http: aiohttp.ClientSession, url: str) -> None:
        body = {"action": "uppercase", "data": {"text": "hi"}}
        while True:
            try:
                async with http.post(f"{url}/tasks", json=body) as response:
                    await self._note(response)
            except aiohttp.ClientConnectorError:
                self.refused += 1
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):
                self.cut += 1
            await asyncio.sleep(0.01)

    async def _note(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 503:
            assert int(response.headers["Retry-After"]) >= 1
            self.unavailable += 1
        else:
            assert response.status == 202
            self.accepted.append((await response.json())["id"])


class Connections:
    """Counts the connections that a session opens."""

    def __init__(self) -> None:
        self.opened = 0

    def tracing(self) -> aiohttp.TraceConfig:
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._count)
        return trace

    async def _count(self, *_: object) -> None:
        self.opened += 1


async def test_who_is_killed_is_restarted_alone_and_no_connection_is_lost(
    services: Services,
) -> None:
    connections, load = Connections(), Load()
    service = await services.start(*FLAGS)
    async with aiohttp.ClientSession(trace_configs=[connections.tracing()]) as http:
        client = Client(http, service)
        await client.get("/health")

        async with load.on(service.url):
            for victim in VICTIMS:
                await _until_a_task_is_completed(client)
                await client.kill(f"root/{victim}")
                child_id = victim.rpartition("/")[2]
                restarted = await service.wait_for("child_restarted", child_id=child_id)
                took_s = await _until_a_task_is_completed(client)
                told = _parts((await client.get("/supervision")).body)[f"root/{victim}"]
                print(f"{victim}: a task done {took_s:.2f} s after the restart")  # noqa: T201
                assert took_s < RECOVERY_S
                assert (restarted["reason"], restarted["incarnation"]) == ("killed", 2)
                assert (told["status"], told["incarnation"]) == ("running", 2)
                assert told["last_exit"] == "killed"
        await when(load.accepted, service, "task_completed")

    print(_figures(load))  # noqa: T201
    restarts = service.events.select("child_restarted")
    assert [f"{event['supervisor']}/{event['child_id']}" for event in restarts] == [
        "consumers/consumer-1",
        "root/queue",
        "root/database",
        "root/consumers",
    ]
    assert connections.opened == 1
    assert load.refused == load.cut == 0


async def test_while_the_gateway_is_dead_new_connections_wait_instead_of_being_refused(
    services: Services, http: aiohttp.ClientSession
) -> None:
    load = Load()
    service = await services.start(*FLAGS)
    client = Client(http, service)

    async with load.on(service.url):
        for kill in range(1, GATEWAY_KILLS + 1):
            with contextlib.suppress(aiohttp.ClientConnectionError):  # it may die before it answers
                await client.kill("root/gateway")
            restarted = await service.wait_for("child_restarted", child_id="gateway", nth=kill)
            took_s = await _until_a_task_is_completed(client)
            print(f"gateway: a task done {took_s:.2f} s after the restart")  # noqa: T201
            assert took_s < RECOVERY_S
            assert (restarted["reason"], restarted["incarnation"]) == ("killed", kill + 1)
    await when(load.accepted, service, "task_completed")

    print(_figures(load))  # noqa: T201
    assert load.refused == 0
    assert load.unavailable == 0


async def test_who_dies_too_often_ends_the_service_with_1_and_the_next_one_loses_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("supervisor_escalated")
    service = await services.start(*FLAGS, "--consumers", "0")
    client = Client(http, service)
    accepted = await client.post("uppercase", text="kept")

    for kill in range(1, ROOT_INTENSITY.max_restarts + 1):
        await client.kill("root/retention")
        await service.wait_for("child_restarted", child_id="retention", nth=kill)
    with contextlib.suppress(aiohttp.ClientConnectionError):
        await client.kill("root/retention")
    code = await service.wait()
    again = await services.start(*FLAGS)
    await again.wait_for("task_completed", task_id=accepted)

    assert code == 1
    assert (await service.complaint()).startswith("taskqueue: gave up: the supervision tree ended")
    [escalated] = service.events.select("supervisor_escalated")
    assert (escalated["supervisor"], escalated["child_id"]) == ("root", "retention")


async def _until_a_task_is_completed(client: Client) -> float:
    """Post until it is accepted, see it completed, and return how long that took, in seconds."""
    began_at = time.monotonic()

    async def accepted() -> str | None:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            answer = await client.try_to_post("uppercase", text="after")
            return answer.body["id"] if answer.status == 202 else None
        return None

    task_id = await until(accepted, lambda task_id: task_id is not None)
    await client.service.wait_for("task_completed", task_id=task_id)
    return time.monotonic() - began_at


def _figures(load: Load) -> str:
    return f"{len(load.accepted)} accepted, {load.unavailable} told 503, {load.cut} cut"


def _parts(part: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return a part of the tree and all below it, by path."""
    parts = {part["path"]: part}
    for child in part.get("children", ()):
        parts |= _parts(child)
    return parts
