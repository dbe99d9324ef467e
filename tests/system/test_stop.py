"""A stop loses no work: running handlers may finish, the rest is released, and the exit is 0."""

import asyncio
import fcntl
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import children_of
from tests.system.services import Client, Services, outages, until, when

pytestmark = pytest.mark.forked

ONE = ("--consumers", "1", "--slots", "1")
FLAGS = ("--app", "tests.system.app:app", *ONE, "--retry-initial-s", "0.05")


async def holding(client: Client, gate: Path) -> str:
    """Have the consumer busy until there is a file at `gate`."""
    task_id = await client.post("hold", until=str(gate))
    await client.service.wait_for("attempt_started", task_id=task_id)
    return task_id


async def buffered(client: Client, count: int) -> list[str]:
    """Have tasks claimed that nobody has a slot for."""
    task_ids = [await client.post("quick") for _ in range(count)]
    await until(
        lambda: asyncio.gather(*map(client.show, task_ids)),
        lambda tasks: all(task["deliveries"] == 1 for task in tasks),
    )
    return task_ids


async def test_a_signal_lets_the_running_handler_finish_and_hands_the_buffer_back(
    services: Services, http: aiohttp.ClientSession
) -> None:
    gate = services.folder / "gate"
    client = Client(http, await services.start(*FLAGS))
    running = await holding(client, gate)
    waiting = await buffered(client, 3)

    client.service.send(signal.SIGTERM)
    await client.service.wait_for("service_stopping")
    gate.touch()
    code = await client.service.wait()

    rows = _rows(services.folder)
    assert code == 0
    assert await client.service.complaint() == ""
    assert client.service.events.select("signal_received", signal="SIGTERM")
    assert client.service.events.select("service_stopped", reason="told to stop")
    assert (rows[running]["status"], rows[running]["attempt"]) == ("completed", 1)
    assert [(rows[t]["status"], rows[t]["attempt"]) for t in waiting] == [("queued", 0)] * 3
    client.service = await services.start(*FLAGS)
    for task_id in waiting:
        await client.service.wait_for("task_completed", task_id=task_id, attempt=1)


async def test_handlers_longer_than_the_drain_are_cut_and_their_attempts_returned(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--slots", "2", "--drain-s", "0.2"))
    task_ids = [
        await client.post("hold", until=str(services.folder / "gate")),
        await client.post("block", seconds=600),  # in a thread, which nobody can cancel
    ]
    await when(task_ids, client.service, "attempt_started")

    began_at = time.monotonic()
    code = await client.service.stop()
    took_s = time.monotonic() - began_at
    client.service = await services.start(*FLAGS, "--consumers", "0")
    tasks = [await client.show(task_id) for task_id in task_ids]

    print(f"stopped in {took_s:.2f} s")  # noqa: T201
    assert code == 0
    assert took_s < 5.0
    for task in tasks:
        assert (task["status"], task["attempt"]) == ("queued", 0)
        assert [attempt["outcome"] for attempt in task["attempts"]] == ["interrupted"]


async def test_a_second_signal_cuts_what_runs(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--drain-s", "600"))
    running = await holding(client, services.folder / "gate")

    client.service.send(signal.SIGINT)
    await client.service.wait_for("service_stopping")
    client.service.send(signal.SIGTERM)
    code = await client.service.wait()

    means = [event["means"] for event in client.service.events.select("signal_received")]
    rows = _rows(services.folder)
    assert code == 0
    assert means == ["drain and stop", "cut what runs, and stop"]
    assert (rows[running]["status"], rows[running]["attempt"]) == ("queued", 0)


async def test_a_third_signal_kills_and_loses_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--drain-s", "600"))
    running = await client.post("stubborn", until=str(services.folder / "gate"))
    await client.service.wait_for("attempt_started", task_id=running)

    for nth in (1, 2, 3):
        client.service.send(signal.SIGTERM)
        await client.service.wait_for("signal_received", nth=nth)
    code = await client.service.wait()
    (services.folder / "gate").touch()
    client.service = await services.start(*FLAGS)
    await when([running], client.service, "task_completed")

    assert code == -signal.SIGKILL


async def test_the_door_is_open_while_handlers_drain_and_then_closed_first(
    services: Services, http: aiohttp.ClientSession
) -> None:
    gate = services.folder / "gate"
    client = Client(http, await services.start(*FLAGS))
    running = await holding(client, gate)

    client.service.send(signal.SIGTERM)
    await client.service.wait_for("service_stopping")
    during = await until(lambda: client.show(running), lambda task: task["status"] == "running")
    late = await client.post("quick")
    ready = await client.get("/ready")
    gate.touch()
    await client.service.wait()

    stopped = [event["child_id"] for event in client.service.events.select("child_stopped")]
    assert during["status"] == "running"
    assert (ready.status, ready.body["detail"]) == (503, "the service is stopping")
    assert stopped == [
        "gateway",
        "node",
        "consumer-1",
        "consumers",
        "watchdog",
        "schedules",
        "retention",
        "queue",
        "database",
    ]
    assert client.service.events.select("task_completed", task_id=running)
    assert _rows(services.folder)[late]["status"] == "queued"


async def test_a_task_that_holds_the_stop_up_can_be_cancelled(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--drain-s", "600"))
    running = await holding(client, services.folder / "gate")

    client.service.send(signal.SIGTERM)
    await client.service.wait_for("service_stopping")
    async with http.post(f"{client.service.url}/tasks/{running}/cancel") as answer:
        status = answer.status
    code = await client.service.wait()

    assert (status, code) == (202, 0)
    assert _rows(services.folder)[running]["status"] == "cancelled"


@pytest.mark.in_memory
async def test_nothing_is_left_behind_and_a_new_process_starts_at_once(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))
    await when([await client.post("quick")], client.service, "task_completed")
    children = children_of(client.service.pid)

    code = await client.service.stop()
    lock_is_free = _can_lock(services.folder / "data" / "tasks.db.lock")
    left = sorted(path.name for path in (services.folder / "data").iterdir())
    again = await services.start(*FLAGS)

    assert code == 0
    assert len(children) == 1  # it writes
    assert not _any_lives(children)
    assert lock_is_free
    assert left == ["tasks.db", "tasks.db.lock"]
    assert outages(again.events) == []
    assert again.events.select("child_restarted") == []


async def test_a_signal_while_it_starts_ends_it_with_0(services: Services) -> None:
    with closing(sqlite3.connect(services.folder / "tasks.db", isolation_level=None)) as shell:
        shell.execute("BEGIN EXCLUSIVE")  # the migration has to wait for us
        service = await services.launch("--database", "tasks.db")
        await service.wait_for("child_started", child_id="database")

        code = await service.stop()

    assert code == 0
    assert await service.complaint() == ""
    assert service.events.select("service_stopped", reason="told to stop while starting")
    assert service.events.select("service_ready") == []


async def test_a_signal_during_an_outage_of_the_storage_ends_it_with_0_and_loses_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    database, elsewhere = services.folder / "data" / "tasks.db", services.folder / "elsewhere.db"
    client = Client(http, await services.start(*FLAGS, "--consumers", "0"))
    waiting = [await client.post("quick") for _ in range(3)]
    database.rename(elsewhere)
    await until(lambda: client.try_to_post("quick"), lambda answer: answer.status == 503)

    code = await client.service.stop()
    elsewhere.rename(database)
    client.service = await services.start(*FLAGS)

    assert code == 0
    assert client.service.events.select("child_stop_failed") == []
    await when(waiting, client.service, "task_completed")


def _rows(folder: Path) -> dict[str, sqlite3.Row]:
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db:
        db.row_factory = sqlite3.Row
        return {row["id"]: row for row in db.execute("SELECT * FROM tasks")}


def _any_lives(pids: list[int]) -> bool:
    return any(Path(f"/proc/{pid}").exists() for pid in pids)


def _can_lock(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
