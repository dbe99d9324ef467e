"""What the parent of the service has left it: closed or slow streams, blocked signals."""

import asyncio
import signal
import socket
import sys
from typing import Any, ClassVar

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED, READY_TIMEOUT_S, ServiceProcess
from tests.executors.procs import gone
from tests.system.services import Client, Services, until, when

pytestmark = pytest.mark.long

FLAGS = ("--app", "tests.system.harmful:app", "--consumers", "2", "--drain-s", "0.5")


def under(statement: str) -> tuple[str, ...]:
    """Return a command that executes a statement and then becomes the service."""
    program = f"import os, signal, sys; {statement}; os.execv(sys.argv[1], sys.argv[1:])"
    return (sys.executable, "-c", program)


class WithoutOutput(ServiceProcess):
    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'exec "$0" "$@" >&-')


class WithoutErrors(ServiceProcess):
    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'exec "$0" "$@" 2>&-')


class WithoutStreams(ServiceProcess):
    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'exec "$0" "$@" <&- >&- 2>&-')


class Deaf(ServiceProcess):
    under: ClassVar[tuple[str, ...]] = under(
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})"
    )


class Unread(ServiceProcess):
    """Its standard output is read when the test says so."""

    def reads(self, *, now: bool) -> None:
        transport: Any = self._process._transport.get_pipe_transport(1)  # type: ignore[union-attr]
        (transport.resume_reading if now else transport.pause_reading)()


class NonBlocking(Unread):
    under: ClassVar[tuple[str, ...]] = under("os.set_blocking(1, False)")


async def start_unseen(
    services: Services, http: aiohttp.ClientSession, kind: type[ServiceProcess]
) -> Client:
    """Start a service whose log tells nothing, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = await services.launch(*FLAGS, "--port", str(port), kind=kind)
    service.url = f"http://127.0.0.1:{port}"
    client = Client(http, service)

    async def is_ready() -> bool:
        try:
            return (await client.get("/ready")).status == 200
        except aiohttp.ClientConnectionError:
            return False

    async with asyncio.timeout(2 * READY_TIMEOUT_S):
        while not await is_ready():  # noqa: ASYNC110 - it cannot tell
            await asyncio.sleep(0.02)
    return client


async def completed(client: Client, task_ids: list[str]) -> None:
    """Wait until tasks are completed, as the service says over HTTP."""
    for task_id in task_ids:
        await until(lambda task_id=task_id: client.show(task_id), _is_completed)  # type: ignore[misc]


def _is_completed(task: dict[str, Any]) -> bool:
    return bool(task["status"] == "completed")


@pytest.mark.parametrize("kind", [WithoutOutput, WithoutErrors, WithoutStreams])
async def test_without_streams_tasks_run_and_a_signal_stops_it(
    services: Services, http: aiohttp.ClientSession, kind: type[ServiceProcess]
) -> None:
    client = await start_unseen(services, http, kind)

    tasks = [await client.post(action) for action in ("quick", "quick_in_process")]
    await completed(client, tasks)
    code = await client.service.stop()

    assert code == 0


async def test_a_signal_that_the_parent_has_blocked_stops_it(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, kind=Deaf))
    in_process = await client.post("blocked_signals")
    await when([in_process], client.service, "task_completed")
    blocked = (await client.show(in_process))["result"]

    code = await client.service.stop()

    assert code == 0
    assert blocked == []
    assert client.service.events.select("signal_received", signal="SIGTERM")


async def test_a_non_blocking_output_loses_no_line_and_tears_none(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = await start_unseen(services, http, NonBlocking)
    service = client.service
    assert isinstance(service, NonBlocking)

    service.reads(now=False)
    try:
        tasks = [await client.post("say", size=4000) for _ in range(100)]  # more than a pipe holds
        await completed(client, tasks)
    finally:
        service.reads(now=True)
    await when(tasks, service, "said")
    await when(tasks, service, "task_completed")
    code = await service.stop()

    assert code == 0
    assert service.events.select(PRINTED) == []


async def test_a_reader_that_takes_nothing_does_not_keep_a_signal_from_ending_it(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect(PRINTED)  # the last line may be cut
    client = await start_unseen(services, http, Unread)
    service = client.service
    assert isinstance(service, Unread)
    service.reads(now=False)
    await client.post("shout", size=4000)  # in one of two consumers

    try:
        await until(lambda: answers(client), lambda answered: not answered)
        service.send(signal.SIGTERM)
        await gone(service.pid)
    finally:
        service.reads(now=True)
    code = await service.wait()

    assert code == 0


async def answers(client: Client) -> bool:
    """Tell whether the service answers a task that fails, which it logs before it goes on."""
    try:
        async with asyncio.timeout(1):
            await client.try_to_post("fail")
    except TimeoutError:
        return False
    return True
