"""Services as processes of their own, whose logs hold no surprises."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Services


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for bytecode. Where none may be written, each start would compile all libraries.

    It is filled here: else the services that a test starts together would all compile at once.
    """
    folder = tmp_path_factory.mktemp("bytecode")
    path = os.pathsep.join(filter(None, sys.path))
    subprocess.run(
        [sys.executable, "-c", "import taskqueue.supervisor, taskqueue.cli.serving"],
        env=os.environ | {"PYTHONPATH": path} | _caching_in(folder),
        check=True,
    )
    return folder


def _caching_in(folder: Path) -> dict[str, str]:
    return {"PYTHONPYCACHEPREFIX": str(folder), "PYTHONDONTWRITEBYTECODE": ""}


@pytest.fixture
async def services(tmp_path: Path, bytecode: Path) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own."""
    services = Services(tmp_path, _caching_in(bytecode))
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
