"""What a service says and does about a disk that loses data, and about a log that is removed."""

import signal

import aiohttp
import pytest

from taskqueue.testing.process import ServiceEnded
from tests.disk.shim import LASTING, Call, Kind, Rule, Shim, compiler
from tests.system.services import Answer, Client, Services, until

APP = ("--app", "tests.system.app:app")
LATER = {"delay_s": 3600}


def _tells_of_the_log(answer: Answer) -> bool:
    """Tell whether it says what the failed sync has left, and nothing that came before or after."""
    return "the whole log has to be written again" in answer.body.get("detail", "")


@pytest.mark.skipif(compiler() is None, reason="no C compiler (cc) here to make a disk fail")
async def test_a_failed_sync_is_told_until_the_whole_log_is_synced(
    services: Services, http: aiohttp.ClientSession
) -> None:
    disk = services.folder / "disk"
    disk.mkdir()
    shim = Shim(services.folder, disk)
    database = ("--database", str(disk / "tasks.db"))
    service = await services.start(*APP, *database, env=shim.env)
    client = Client(http, service)

    async def post_many() -> None:
        tasks = [{"action": "quick", **LATER}] * 1_000
        async with http.post(f"{service.url}/tasks", json=tasks) as answer:
            await answer.read()

    shim.control.inject(Rule(calls=Call.SYNC, files=Kind.DATABASE, times=LASTING))
    for _ in range(5):  # until there is a checkpoint
        await post_many()
    degraded = await service.wait_for("storage_degraded")
    not_ready = await until(lambda: client.get("/ready"), _tells_of_the_log)
    shim.control.heal()
    await service.wait_for("storage_ready", nth=2)
    ready = await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    accepted = await client.try_to_post("quick")

    assert "a sync failed" in degraded["reason"]
    assert not_ready.status == 503
    assert ready.status == 200
    assert accepted.status == 202


@pytest.mark.skipif(compiler() is None, reason="no C compiler (cc) here to make a disk fail")
async def test_a_service_that_cannot_read_its_file_says_so_in_one_line_and_loses_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    disk = services.folder / "disk"
    disk.mkdir()
    shim = Shim(services.folder, disk)
    arguments = (*APP, "--database", str(disk / "tasks.db"))
    service = await services.start(*arguments, env=shim.env)
    client = Client(http, service)
    task = await client.post("quick", options=LATER)
    await service.stop()

    shim.control.inject(Rule(calls=Call.READ, files=Kind.DATABASE, times=LASTING))
    with pytest.raises(ServiceEnded) as ended:
        await services.start(*arguments, env=shim.env)
    shim.control.heal()
    client.service = await services.start(*arguments, env=shim.env)

    assert ended.value.code == 1
    [line] = ended.value.stderr.splitlines()
    assert f"{disk / 'tasks.db'}: Input/output error" in line
    assert (await client.show(task))["status"] == "scheduled"


async def test_a_log_that_is_removed_is_noticed_at_once_and_costs_nothing_accepted(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    client = Client(http, service)
    before = [await client.post("quick", options=LATER) for _ in range(20)]

    (services.folder / "data" / "tasks.db-wal").unlink()
    degraded = await service.wait_for("storage_degraded")  # nothing is posted meanwhile
    await service.wait_for("storage_ready", nth=2)
    after = [await client.post("quick", options=LATER) for _ in range(20)]
    service.send(signal.SIGKILL)
    await service.wait()
    client.service = await services.start(*APP)
    shown = [(await client.show(task))["status"] for task in (*before, *after)]

    assert "its log (-wal or -shm beside it) was removed" in degraded["reason"]
    assert shown == ["scheduled"] * 40
