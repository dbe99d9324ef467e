from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskqueue.testing.process import ServiceProcess

APP = ("--app", "tests.client.shop:app")


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    async with ServiceProcess(tmp_path, *APP) as service:
        yield service
