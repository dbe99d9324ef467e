"""What interrupts a task, and what that costs it: a crash an attempt, a deploy nothing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until

pytestmark = [pytest.mark.long, pytest.mark.forked]

# A lease of a day: whoever is rescued here is rescued because of a fact, and not by the clock.
FLAGS = (
    *("--app", "tests.system.app:app", "--consumers", "1", "--lease-s", "86400"),
    *("--retry-initial-s", "0.05"),
)
DEPLOYS = 10


async def test_a_task_with_one_attempt_whose_process_is_killed_never_runs_again(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    client = Client(http, await services.start(*FLAGS))
    task_id = await _held(client, tmp_path / "gate", max_attempts=1)

    client.service = await _killed_and_restarted(services)
    await client.service.wait_for("task_dead_lettered", task_id=task_id)
    await client.service.wait_for("task_completed", task_id=await client.post("quick"))

    task = await client.show(task_id)
    assert (task["status"], task["attempt"]) == ("dead", 1)
    assert [line["outcome"] for line in task["attempts"]] == ["crashed"]
    assert client.service.events.select("attempt_started", task_id=task_id) == []


async def test_a_task_whose_process_is_killed_runs_again_long_before_its_lease_is_over(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    client = Client(http, await services.start(*FLAGS))
    task_id = await _held(client, tmp_path / "gate")

    client.service = await _killed_and_restarted(services)
    await client.service.wait_for("attempt_started", task_id=task_id, attempt=2)
    (tmp_path / "gate").touch()
    await client.service.wait_for("task_completed", task_id=task_id)

    task = await client.show(task_id)
    assert (task["status"], task["attempt"]) == ("completed", 2)
    assert [line["outcome"] for line in task["attempts"]] == ["crashed", "completed"]


@pytest.mark.timeout(120)
async def test_ten_deploys_during_one_task_cost_it_no_attempt(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    deploy = (*FLAGS, "--drain-s", "0")
    client = Client(http, await services.start(*deploy))
    task_id = await _held(client, tmp_path / "gate", max_attempts=1)

    for _ in range(DEPLOYS):
        assert await client.service.stop() == 0
        client.service = await services.start(*deploy)
        await until(lambda: client.show(task_id), lambda task: task["status"] == "running")
    (tmp_path / "gate").touch()
    await client.service.wait_for("task_completed", task_id=task_id)

    task = await client.show(task_id)
    assert (task["status"], task["attempt"], task["crashes"]) == ("completed", 1, 0)
    assert [line["outcome"] for line in task["attempts"]] == [
        *["interrupted"] * DEPLOYS,
        "completed",
    ]


async def test_a_task_held_by_somebody_who_was_never_there_is_rescued(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--consumers", "0"))
    task_id = await client.post("quick")
    await client.service.stop()
    _give(services.folder, task_id, to="nobody")

    client.service = await services.start(*FLAGS)
    await client.service.wait_for("task_rescued", task_id=task_id)
    await client.service.wait_for("task_completed", task_id=task_id)

    assert (await client.show(task_id))["attempt"] == 1


async def _held(client: Client, gate: Path, **options: object) -> str:
    """Have a task run until there is a file at `gate`; it is written that it does."""
    task_id = await client.post("hold", options=options, until=str(gate))
    await until(lambda: client.show(task_id), lambda task: task["status"] == "running")
    return task_id


async def _killed_and_restarted(services: Services) -> ServiceProcess:
    services.lives[-1].kill()
    await services.lives[-1].wait()
    return await services.start(*FLAGS)


def _give(folder: Path, task_id: str, *, to: str) -> None:
    """Have a task held, by hand, for a day and by an owner of whom nothing else is known."""
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db, db:
        db.execute(
            "UPDATE tasks SET token = printf('%x-by-hand', seq), node = 'local', incarnation = ?, "
            "attempt = 1, deliveries = 1, waited_as = status, claimed_at = created_at, "
            "expires_at = created_at + 86400 WHERE id = ?",
            (to, task_id),
        )
