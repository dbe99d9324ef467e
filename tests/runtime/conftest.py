"""A world of actors for each test."""

from collections.abc import AsyncIterator, Iterator, MutableMapping
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from taskqueue.runtime import System


@pytest.fixture(autouse=True)
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """Return what is logged; many a crash here is meant, and printing it takes a second."""
    with capture_logs() as captured:
        yield captured


@pytest_asyncio.fixture
async def system() -> AsyncIterator[System]:
    """Return a system on the test's loop; nobody of it is left after the test."""
    async with System() as system:
        yield system
    assert system.actors == ()


@pytest_asyncio.fixture
async def impatient() -> AsyncIterator[System]:
    """Return a system that abandons who does not notice a kill at once."""
    async with System(kill_grace_s=0.02) as system:
        yield system
    assert system.actors == ()
