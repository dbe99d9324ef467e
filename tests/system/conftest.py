"""Services as processes of their own, whose logs hold no surprises."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.bytecode import fill
from tests.forked.service import ForkedService
from tests.system.services import TIMEOUT_S, Services


@pytest.fixture(scope="session")
def bytecode() -> None:
    """Have all bytecode there before the services of a test start together."""
    fill()


@pytest.fixture
async def services(
    request: pytest.FixtureRequest, tmp_path: Path, bytecode: None
) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own; forked if it is marked so."""
    is_forked = request.node.get_closest_marker("forked") is not None
    services = Services(tmp_path, kind=ForkedService if is_forked else ServiceProcess)
    try:
        yield services
    finally:
        await services.end()
    assert services.surprises() == []


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session
