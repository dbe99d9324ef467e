"""The door before a real server on loopback, with the model of the storage behind it."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import ClientSession, web

from taskqueue.http.access import AccessLog
from taskqueue.http.routes import application
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
async def http(
    service: ScriptedService, sock: socket.socket, url: str, bound_to: str
) -> AsyncIterator[ClientSession]:
    """A client of a server with the application."""
    app = application(service, bound_to=bound_to, clock=StillClock())
    runner = web.AppRunner(app, access_log_class=AccessLog, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, sock.dup()).start()
    async with ClientSession(base_url=url) as session:
        yield session
    await runner.cleanup()
