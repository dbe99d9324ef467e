"""Services as processes of their own, whose logs hold no surprises."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Services


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for bytecode. Where none may be written, each start would compile all libraries."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
async def services(tmp_path: Path, bytecode: Path) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own."""
    env = {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    services = Services(tmp_path, env)
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
