"""What a service tells the manager that has started it, over a real datagram socket."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.cli.supervised import readiness_of
from taskqueue.commands import GetReadiness
from taskqueue.process.notify import ServiceManager
from taskqueue.rules.health import Readiness
from taskqueue.runtime import Actor, System, receives
from taskqueue.testing.process import ServiceEnded, children_of
from tests.system.services import TIMEOUT_S, Client, Services

pytestmark = pytest.mark.long

WATCHDOG_S = 1.5


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(address.replace("@", "\0", 1))

    async def hears(self, wanted: Callable[[str], bool]) -> str:
        """Return the next message that is wanted, without those before it."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                message = (await loop.sock_recv(self._socket, 4096)).decode()
                if wanted(message):
                    return message

    def waiting(self) -> list[str]:
        """Return what has arrived."""
        messages = []
        try:
            while True:
                messages.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            return messages

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    manager = Manager(str(tmp_path / "notify.sock"))
    yield manager
    manager.close()


def env_of(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, **more}


def watched(manager: Manager) -> dict[str, str]:
    return env_of(manager, WATCHDOG_USEC=str(int(WATCHDOG_S * 1e6)))


def is_heartbeat(message: str) -> bool:
    return message.startswith("WATCHDOG=1\n")


async def test_the_manager_hears_of_the_start_and_of_the_stop(
    services: Services, manager: Manager
) -> None:
    service = await services.launch("--port", "0", env=env_of(manager))

    ready = await manager.hears(lambda _: True)
    await service.ready()
    service.send(signal.SIGTERM)
    stopping = await manager.hears(lambda _: True)

    assert ready == f"READY=1\nSTATUS=Serving {service.url}"
    assert stopping.startswith("STOPPING=1\n")
    assert await service.wait() == 0
    assert manager.waiting() == []


async def test_a_service_that_does_not_start_never_says_that_it_is_ready(
    services: Services, manager: Manager
) -> None:
    life = await services.launch("--database", "/dev/null/tasks.db", env=env_of(manager))

    with pytest.raises(ServiceEnded):
        await life.ready()

    assert manager.waiting() == []


async def test_an_abstract_socket_is_reached_too(services: Services) -> None:
    manager = Manager(f"@taskqueue-{os.getpid()}")
    try:
        await services.launch("--port", "0", env=env_of(manager))
        assert (await manager.hears(lambda _: True)).startswith("READY=1\n")
    finally:
        manager.close()


async def test_the_watchdog_is_fed_until_the_service_stops(
    services: Services, manager: Manager
) -> None:
    service = await services.start("--port", "0", env=watched(manager))

    for _ in range(3):
        await manager.hears(is_heartbeat)
    service.send(signal.SIGTERM)
    await manager.hears(lambda message: message.startswith("STOPPING=1\n"))

    assert await service.wait() == 0
    assert [message for message in manager.waiting() if is_heartbeat(message)] == []


async def test_an_outage_of_the_storage_is_shown_and_does_not_starve_the_watchdog(
    services: Services, manager: Manager, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_crashed", "actor_abandoned")
    service = await services.start("--port", "0", env=watched(manager))
    [writer] = children_of(service.pid)

    os.kill(writer, signal.SIGSTOP)
    answer = await Client(http, service).try_to_post("uppercase")
    shown = await manager.hears(lambda message: is_heartbeat(message) and "not ready" in message)
    again = await manager.hears(is_heartbeat)

    assert answer.status == 503
    assert f"Serving {service.url}, but not ready: " in shown
    assert is_heartbeat(again)


async def test_a_watchdog_of_another_process_is_not_fed(
    services: Services, manager: Manager
) -> None:
    env = watched(manager) | {"WATCHDOG_PID": str(os.getpid())}
    service = await services.start("--port", "0", env=env)

    service.send(signal.SIGTERM)
    await service.wait()

    assert [message for message in manager.waiting() if is_heartbeat(message)] == []


class Answering(Actor):
    """A part that answers, if only with why it is not ready."""

    @receives(GetReadiness)
    def on_get_readiness(self, _: GetReadiness) -> Readiness:
        return Readiness(ready=False, reason="disk full")


class Hanging(Actor):
    """A part that runs and never answers."""

    @receives(GetReadiness)
    async def on_get_readiness(self, _: GetReadiness) -> Readiness:
        return await asyncio.Event().wait()  # type: ignore[return-value]


class AnsweringDatabase(Answering):
    registered_name = DATABASE


class AnsweringQueue(Answering):
    registered_name = QUEUE


class HangingDatabase(Hanging):
    registered_name = DATABASE


class HangingQueue(Hanging):
    registered_name = QUEUE


@pytest.mark.parametrize(
    ("parts", "is_alive"),
    [
        ((AnsweringDatabase, AnsweringQueue), True),
        ((HangingDatabase, AnsweringQueue), False),
        ((AnsweringDatabase, HangingQueue), False),
        ((AnsweringDatabase,), False),
    ],
)
async def test_a_service_is_alive_while_its_queue_and_its_database_answer(
    parts: Sequence[type[Actor]], *, is_alive: bool
) -> None:
    async with System() as system:
        for part in parts:
            await system.spawn(part)

        readiness = await readiness_of(system, 0.05)

    assert (readiness is not None) is is_alive


@pytest.mark.parametrize("usec", ["", "0", "-1", "soon"])
def test_a_limit_that_is_none_asks_for_no_heartbeat(usec: str) -> None:
    found = ServiceManager.of({"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": usec})

    assert found.watchdog_s is None


def test_without_a_manager_there_is_no_watchdog_and_nothing_is_sent() -> None:
    for environ in ({}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}):
        manager = ServiceManager.of(environ | {"WATCHDOG_USEC": "1000000"})
        manager.tell("READY=1")

        assert manager.watchdog_s is None


async def test_a_manager_that_has_gone_is_logged_and_harms_nothing(
    services: Services, tmp_path: Path
) -> None:
    service = await services.start(
        "--port", "0", env={"NOTIFY_SOCKET": str(tmp_path / "none.sock")}
    )

    failed = await service.wait_for("notify_failed")

    assert failed["messages"][0] == "READY=1"
    assert "No such file" in failed["error"]
