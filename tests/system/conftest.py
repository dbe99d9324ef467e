"""Services as processes of their own, whose logs hold no surprises."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.bytecode import fill
from tests.forked.service import ForkedService
from tests.system.services import TIMEOUT_S, Services

MEMORY = Path("/dev/shm")  # a disk that no other test keeps busy


@pytest.fixture(scope="session")
def bytecode() -> None:
    """Have all bytecode there before the services of a test start together."""
    fill()


@pytest.fixture
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """The folder of the services of this test; in memory, if it is marked so and there is one."""
    if request.node.get_closest_marker("in_memory") is None or not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="taskqueue-test-") as in_memory:
        yield Path(in_memory)


@pytest.fixture
async def services(
    request: pytest.FixtureRequest, folder: Path, bytecode: None
) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own; forked if it is marked so."""
    is_forked = request.node.get_closest_marker("forked") is not None
    services = Services(folder, kind=ForkedService if is_forked else ServiceProcess)
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
