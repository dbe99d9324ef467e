"""HTTP on a real server on loopback, with the model of the storage behind it."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import pytest
from aiohttp import ClientSession

from taskqueue.http.application import application
from taskqueue.http.event_stream.streams import StreamLimits
from taskqueue.http.server.limits import Limits
from taskqueue.http.server.server import HttpServer
from taskqueue.http.state import HttpState
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.proxies import NO_PROXIES, Proxies
from taskqueue.testing.fixtures import events
from tests.gateway.scripted import ScriptedService, StillClock

__all__ = ["events"]


@pytest.fixture
def sock() -> Iterator[socket.socket]:
    """A socket as the entry point makes it: bound to loopback, not listening yet."""
    with socket.socket() as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(("127.0.0.1", 0))
        yield bound


@pytest.fixture
def url(sock: socket.socket) -> str:
    return f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.fixture
async def service() -> ScriptedService:
    scripted = ScriptedService()
    await scripted.storage.migrate()
    await scripted.storage.open()
    return scripted


@pytest.fixture
def bound_to() -> str:
    """The address that the application believes it is bound to."""
    return "127.0.0.1"


@pytest.fixture
def hosts() -> tuple[str, ...]:
    """The setting `trusted_hosts`."""
    return ()


@pytest.fixture
def proxies() -> Proxies:
    """The setting `behind_proxy`."""
    return NO_PROXIES


@pytest.fixture
def state() -> Iterator[HttpState]:
    with closing(HttpState()) as state:
        yield state


@pytest.fixture
def limits() -> Limits:
    """What a client may cost."""
    return Limits()


@pytest.fixture
def waits() -> TaskWaits:
    """The clients that wait for the ends of tasks."""
    return TaskWaits(most=3)


@pytest.fixture
def stream_limits() -> StreamLimits:
    """What event streams may cost."""
    return StreamLimits()


@pytest.fixture
def server(
    service: ScriptedService,
    bound_to: str,
    hosts: tuple[str, ...],
    limits: Limits,
    *,
    waits: TaskWaits,
    proxies: Proxies,
    state: HttpState,
    stream_limits: StreamLimits,
) -> HttpServer:
    """A server of the application, not started yet."""
    app = application(
        service,
        service.app,
        availability=service.availability,
        bound_to=bound_to,
        trusted_hosts=hosts,
        proxies=proxies,
        state=state,
        clock=StillClock(),
        waits=waits,
        stream_limits=stream_limits,
    )
    return HttpServer(app, shutdown_s=1, limits=limits)


@pytest.fixture
async def http(server: HttpServer, sock: socket.socket, url: str) -> AsyncIterator[ClientSession]:
    """A client of the server."""
    await server.start(sock)
    async with ClientSession(base_url=url) as session:
        yield session
    await server.close()
