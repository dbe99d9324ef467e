"""Services as processes of their own, whose logs hold no surprises."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.bytecode import cached_in, fill
from tests.system.services import TIMEOUT_S, Services


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for bytecode, filled before the services of a test start together."""
    folder = tmp_path_factory.mktemp("bytecode")
    fill(folder)
    return folder


@pytest.fixture
async def services(tmp_path: Path, bytecode: Path) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own."""
    services = Services(tmp_path, cached_in(bytecode))
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
