"""The process that writes hangs or its disk does: that is shown at once, and nothing is lost."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess, children_of
from tests.disk.faulty import NO_COMPILER, CommandedDisk
from tests.system.services import Client, Services, until, when

pytestmark = [pytest.mark.long, pytest.mark.forked]

APP = ("--app", "tests.system.app:app")


@pytest.fixture
def disk(tmp_path: Path) -> CommandedDisk:
    disk = CommandedDisk.built_in(tmp_path)
    if disk is None:
        pytest.skip(NO_COMPILER)
    return disk


def writer_of(service: ServiceProcess) -> int:
    """Return the process that writes for the service."""
    [pid] = [
        child
        for child in children_of(service.pid)
        if b"process_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    return pid


def lives(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return ") Z " not in stat  # an orphan is reaped whenever process 1 gets to it


async def refused_without_its_body(service: ServiceProcess) -> bytes:
    """Announce a large body, send nothing of it, and return the first line of the answer."""
    host, port = service.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: 500000\r\n\r\n"
    )
    try:
        return await reader.readline()
    finally:
        writer.close()
        await writer.wait_closed()


async def turn_red(client: Client) -> str:
    """Wait until the service says that it is not ready; return why."""
    answer = await until(lambda: client.get("/ready"), lambda a: a.status == 503)
    return str(answer.body["detail"])


async def test_a_stopped_writer_is_shown_and_replaced_and_costs_no_task(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    client = Client(http, service)
    gate = services.folder / "gate"
    held = await client.post("hold", until=str(gate))
    done = [await client.post("quick") for _ in range(20)]
    await when(done, service, "task_completed")
    writer = writer_of(service)

    os.kill(writer, signal.SIGSTOP)
    unanswered = asyncio.ensure_future(client.try_to_post("quick"))
    reason = await turn_red(client)
    told_first = not unanswered.done()  # it is answered after 5 s
    refused = await refused_without_its_body(service)
    gate.touch()  # the handler ends while nothing can be written
    shown = await client.get("/tasks?limit=100")
    await service.wait_for("storage_ready", nth=2)
    later = await client.post("quick")
    await when([held, later], service, "task_completed")

    assert "is stopped" in reason
    assert told_first
    assert b" 503 " in refused
    assert shown.status == 200
    assert (await unanswered).status == 503
    assert writer_of(service) != writer
    assert not lives(writer)
    for task_id in (*done, held, later):
        task = await client.show(task_id)
        assert (task["status"], len(task["attempts"])) == ("completed", 1)
    reasons = [event["reason"] for event in service.events.select("storage_degraded")]
    assert len(reasons) == 2
    assert reasons[1].startswith("the process that writes was killed because it did not answer")


@pytest.mark.long  # it needs both processors for itself
@pytest.mark.timeout(120)
async def test_a_client_beside_sixty_that_post_large_bodies_sees_within_two_seconds_that_it_hangs(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    client = Client(http, service)
    await service.wait_for("queue_ready")
    async with flood(service, clients=60, size=500_000):
        await until(lambda: client.get("/stats"), lambda a: any(a.body["tasks"].values()))

        async with lag() as lags:
            stopped_at = time.monotonic()
            os.kill(writer_of(service), signal.SIGSTOP)
            reason = await turn_red(client)
            seen_s = time.monotonic() - stopped_at
        unread = await refused_without_its_body(service)

    assert "the process that writes" in reason
    assert seen_s < 2.0 + 4 * max(lags)  # a machine at its limit is late by itself
    assert b" 503 " in unread
    assert peak_bytes(service) < 400_000_000


@contextlib.asynccontextmanager
async def flood(service: ServiceProcess, *, clients: int, size: int) -> AsyncIterator[None]:
    """Have another process post large bodies in the block."""
    port = service.url.rpartition(":")[2]
    command = (sys.executable, "-m", "tests.system.flood", port, str(clients), str(size))
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


@contextlib.asynccontextmanager
async def lag() -> AsyncIterator[list[float]]:
    """Measure by how much a timer of this process is late in the block."""
    lags = [0.0]

    async def measure() -> None:
        while True:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            lags.append(time.monotonic() - began - 0.01)

    measuring = asyncio.create_task(measure())
    try:
        yield lags
    finally:
        measuring.cancel()


def peak_bytes(service: ServiceProcess) -> int:
    status = Path(f"/proc/{service.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


async def test_a_writer_that_is_stopped_while_nothing_is_written_is_shown_as_well(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    client = Client(http, service)
    await service.wait_for("queue_ready")  # until then `/ready` is red for another reason

    os.kill(writer_of(service), signal.SIGSTOP)

    assert "is stopped" in await turn_red(client)
    await service.wait_for("storage_ready", nth=2)


async def test_a_stopped_writer_of_a_killed_service_gives_up_the_file(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    task_id = await Client(http, service).post("quick")
    writer = writer_of(service)
    os.kill(writer, signal.SIGSTOP)
    service.kill()
    await service.wait()

    heir = await services.start(*APP)

    await until(lambda: Client(http, heir).show(task_id), lambda task: bool(task["attempts"]))
    assert not lives(writer)


async def test_a_stopped_writer_does_not_keep_the_service_from_stopping(
    services: Services,
) -> None:
    service = await services.start(*APP)
    writer = writer_of(service)

    os.kill(writer, signal.SIGSTOP)

    assert await service.stop() == 0
    assert not lives(writer)


async def slow_syncs(
    disk: CommandedDisk, service: ServiceProcess, client: Client
) -> Mapping[str, str]:
    """Have every sync take longer than any client waits; return what was said meanwhile."""
    with disk.fault("sync sleep 3600000"):
        unanswered = asyncio.ensure_future(client.try_to_post("quick"))
        reason = await turn_red(client)
        refused = await refused_without_its_body(service)
        assert (await unanswered).status == 503
        still = await turn_red(client)
    return {"reason": reason, "refused": refused.decode(), "still": still}


async def test_slow_syncs_are_told_apart_from_a_stopped_writer_and_kill_no_process(
    services: Services, http: aiohttp.ClientSession, disk: CommandedDisk
) -> None:
    service = await services.start(*APP, env=disk.env, kind=ServiceProcess)
    client = Client(http, service)
    done = await client.post("quick")
    await service.wait_for("queue_ready")
    writer = writer_of(service)

    told = await slow_syncs(disk, service, client)
    await service.wait_for("storage_ready", nth=2)
    later = await client.post("quick")
    await when([done, later], service, "task_completed")

    assert "waiting for the disk" in told["reason"]
    assert told["still"] == told["reason"]
    assert " 503 " in told["refused"]
    assert writer_of(service) == writer
    stats = await client.get("/stats")
    assert stats.body["tasks"]["completed"] == 3  # that of no known outcome, too
