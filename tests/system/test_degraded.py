"""A fault of the storage is not a crash: writes wait, reads go on, and it heals by itself."""

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.system.faults import FAULTS, FULL, Fault, SmallDisk, works
from tests.system.services import Client, Services, until, when

pytestmark = [pytest.mark.long, pytest.mark.forked]

APP = ("--app", "tests.system.app:app")
AT_ONCE_S = 1.0  # generous: it is a matter of milliseconds, but the machine may be busy


def incarnations(node: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Go through the tree: who is in which life."""
    yield node["path"], node["incarnation"]
    for child in node.get("children", ()):
        yield from incarnations(child)


async def lives(client: Client) -> dict[str, int]:
    return dict(incarnations((await client.get("/supervision")).body))


async def hold_to_its_promises(
    fault: Fault, service: ServiceProcess, client: Client, folder: Path
) -> None:
    """Inflict a fault on a service that has tasks of all kinds."""
    gate = folder / "gate"
    before = await lives(client)
    done = [await client.post("quick") for _ in range(40)]
    later = await client.post("quick", options={"delay_s": 2})
    held = await client.post("hold", until=str(gate))
    await when(done, service, "task_completed")
    await until(lambda: client.get(f"/tasks/{held}"), lambda a: a.body["status"] == "running")
    database = Path(f"/proc/{service.pid}/root{folder}/data/tasks.db")  # as the service sees it

    with fault.inflict(service, database):
        if not fault.readable:
            await until(lambda: client.get("/tasks"), lambda a: a.status == 503)
        refused = await until(lambda: client.try_to_post("quick"), lambda a: a.status == 503)
        not_ready = await until(
            lambda: client.get("/ready"), lambda a: fault.reason in a.body.get("detail", "")
        )
        gate.touch()
        began = time.monotonic()
        at_once = await client.try_to_post("quick")
        took_s = time.monotonic() - began
        shown = await client.get("/tasks?limit=100")
        alive = await client.get("/health")
        await asyncio.sleep(fault.lasts_s)
    await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    after = await client.post("quick")
    accepted = [*done, later, held, after]
    await when(accepted, service, "task_completed")

    assert refused.body["error"] == "failed to queue task"
    assert not_ready.status == 503
    assert (at_once.status, alive.status) == (503, 200)
    assert took_s < AT_ONCE_S
    assert shown.status == (200 if fault.readable else 503)
    if fault.readable:
        assert {*done, later, held} <= {task["id"] for task in shown.body["tasks"]}
    for task_id in accepted:
        task = await client.show(task_id)
        assert (task["status"], len(task["attempts"])) == ("completed", 1)
        assert len(service.events.select("task_completed", task_id=task_id)) == 1
    assert await lives(client) == before
    reasons = [event["reason"] for event in service.events.select("storage_degraded")]
    assert any(fault.reason in reason for reason in reasons)
    assert len(reasons) == len(set(reasons))
    assert len(service.events.select("storage_ready")) == 2  # at the start, and after the fault


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_a_fault_is_told_as_such_costs_no_task_and_no_restart_and_heals_by_itself(
    services: Services, http: aiohttp.ClientSession, fault: Fault
) -> None:
    service = await services.start(*APP)

    await hold_to_its_promises(fault, service, Client(http, service), services.folder)


async def test_another_file_in_the_place_is_noticed_while_nothing_is_asked(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(*APP)
    client = Client(http, service)
    task_id = await client.post("quick")
    await when([task_id], service, "task_completed")
    database = services.folder / "data" / "tasks.db"
    other = database.with_name("other.db")
    with closing(sqlite3.connect(database)) as db, closing(sqlite3.connect(other)) as copy:
        db.backup(copy)

    other.rename(database)
    degraded = await service.wait_for("storage_degraded")
    await service.wait_for("storage_ready", nth=2)

    assert degraded["reason"].endswith("database file is gone or was replaced")
    assert (await client.show(task_id))["status"] == "completed"  # as the copy says


async def test_a_full_disk_is_told_as_such_costs_no_task_and_no_restart_and_heals_by_itself(
    services: Services, http: aiohttp.ClientSession
) -> None:
    if not works("unshare", "--mount", "true"):
        pytest.skip("`unshare --mount` does not work here: it takes root")
    service = await services.start(*APP, kind=SmallDisk)

    await hold_to_its_promises(FULL, service, Client(http, service), services.folder)
