"""The service without a disk: `--database memory:`."""

from pathlib import Path

import aiohttp
import pytest

from tests.system.services import Client, Services

pytestmark = pytest.mark.forked


async def test_tasks_in_memory_run_and_outlive_the_database_actor(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start("--database", "memory:")
    client = Client(http, service)
    before = await client.post("uppercase", text="before")
    await service.wait_for("task_completed", task_id=before)

    await client.kill("root/database")
    await service.wait_for("storage_ready", nth=2)
    after = await client.post("uppercase", text="after")
    await service.wait_for("task_completed", task_id=after)

    assert (await client.show(before))["status"] == "completed"
    assert not (services.folder / "data").exists()


async def test_the_setting_of_another_engine_keeps_the_service_from_starting(
    services: Services, tmp_path: Path
) -> None:
    service = await services.launch("--database", "memory:", "--synchronous", "NORMAL")

    assert await service.wait() == 2
    fault = "a setting of sqlite databases; memory: is none, so leave it out"
    assert await service.complaint() == f"taskqueue: --synchronous: {fault}\n"
