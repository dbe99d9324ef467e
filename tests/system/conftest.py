"""Services as processes of their own, whose logs hold no surprises."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Services


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    """The services of this test, in a folder of their own."""
    services = Services(tmp_path)
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
