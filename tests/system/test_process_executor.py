"""Handlers in processes, seen over HTTP: crashes, kills, stops, leases, process 1."""

import os
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED, ServiceProcess
from tests.executors.procs import descendants, gone, is_there, noted, parent, until
from tests.system.services import Client, Services, when
from tests.system.services import until as eventually

pytestmark = [pytest.mark.long, pytest.mark.forked]

FLAGS = ("--app", "tests.executors.processes:app", "--retry-initial-s", "0.05")
ONE = (*FLAGS, "--consumers", "1")


async def test_a_segfault_is_poison_after_three_and_harms_no_other(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--slots", "2"))

    poison = await client.post("signal", number=int(signal.SIGSEGV))
    healthy = [await client.post("echo", text=str(n)) for n in range(100)]
    await client.service.wait_for("task_dead_lettered", task_id=poison)
    await when(healthy, client.service, "task_completed")
    dead = await client.show(poison)

    how = "process killed by signal 11 (SIGSEGV) after "
    assert dead["status"] == "dead"
    assert dead["reason"].startswith(f"poison: crashed 3 times; last: {how}")
    assert [attempt["outcome"] for attempt in dead["attempts"]] == ["crashed"] * 3
    assert all(attempt["error"].startswith(how) for attempt in dead["attempts"])
    assert all(attempt["error"].endswith(" MiB at most") for attempt in dead["attempts"])
    assert client.service.events.select("child_restarted") == []
    for n, task_id in enumerate(healthy):
        task = await client.show(task_id)
        assert (task["result"], task["attempt"]) == (str(n), 1)


async def test_a_worker_that_is_killed_costs_its_task_one_attempt(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE))
    task_id = await client.post(
        "hold", into=str(services.folder / "pid"), until=str(services.folder / "gate")
    )
    [pid] = await noted(services.folder / "pid")

    os.kill(pid, signal.SIGKILL)
    await client.service.wait_for("task_requeued", task_id=task_id)
    (services.folder / "gate").touch()
    await client.service.wait_for("task_completed", task_id=task_id)

    first, second = (await client.show(task_id))["attempts"]
    assert first["error"].startswith("process killed by signal 9 (SIGKILL) after ")
    assert (first["outcome"], second["outcome"]) == ("crashed", "completed")


async def test_a_consumer_that_is_killed_takes_its_processes_along(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE, "--slots", "2"))
    task_id = await client.post("family", into=str(services.folder / "pids"), then="wait")
    pids = await noted(services.folder / "pids")
    server = parent(pids[0])

    await client.kill("root/consumers/consumer-1")

    await gone(server, *pids)
    await client.service.wait_for("task_requeued", task_id=task_id)
    quick = await client.post("pid")
    await client.service.wait_for("fork_server_started", nth=2)
    await client.service.wait_for("task_completed", task_id=quick)


async def test_a_kill_of_the_service_leaves_no_process_behind(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--slots", "2"))
    for n in range(3):
        await client.post("family", into=str(services.folder / f"pids{n}"), then="wait")
    pids = [pid for n in range(3) for pid in await noted(services.folder / f"pids{n}")]
    family = descendants(client.service.pid)

    client.service.kill()

    assert set(pids) < set(family)
    await gone(*family)


async def test_a_stop_lets_a_process_finish_and_leaves_none_behind(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE))
    task_id = await client.post(
        "hold", into=str(services.folder / "pid"), until=str(services.folder / "gate")
    )
    [pid] = await noted(services.folder / "pid")
    server = parent(pid)

    client.service.send(signal.SIGTERM)
    await client.service.wait_for("service_stopping")
    (services.folder / "gate").touch()
    code = await client.service.wait()

    assert code == 0
    assert not is_there(pid)
    assert not is_there(server)
    assert await client.service.complaint() == ""
    await client.service.wait_for("task_completed", task_id=task_id, attempt=1)


async def test_a_process_that_outlives_the_drain_is_killed_and_its_attempt_returned(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE, "--drain-s", "0.2"))
    task_id = await client.post("family", into=str(services.folder / "pids"), then="wait")
    pids = await noted(services.folder / "pids")

    code = await client.service.stop()

    assert code == 0
    assert not is_there(pids[0])
    await gone(*pids)
    assert client.service.events.select("task_handed_back", task_id=task_id)
    client.service = await services.start(*ONE)
    again = await client.service.wait_for("attempt_started", task_id=task_id)
    assert again["attempt"] == 1


async def test_a_handler_that_computes_for_ten_leases_runs_once(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, "--lease-s", "0.2"))

    task_id = await client.post("compute", seconds=2.0)
    await client.service.wait_for("task_completed", task_id=task_id)

    task = await client.show(task_id)
    assert (task["attempt"], task["deliveries"], task["result"]) == (1, 1, 1)
    assert len(client.service.events.select("attempt_started")) == 1


async def test_what_a_handler_logs_and_prints_is_in_the_services_output(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect(PRINTED)
    client = Client(http, await services.start(*ONE))

    task_id = await client.post("context")

    logged = await client.service.wait_for("seen", task_id=task_id)
    await client.service.wait_for(PRINTED, text="printed by a handler")
    assert (logged["level"], logged["action"], logged["width"]) == ("info", "context", 3)


async def test_settings_say_when_a_process_is_replaced(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE, "--slots", "1", "--process-max-tasks", "3"))

    tasks = [await client.post("pid") for _ in range(9)]
    await when(tasks, client.service, "task_completed")

    assert len({(await client.show(task_id))["result"] for task_id in tasks}) == 3
    recycled = await client.service.wait_for("worker_recycled", nth=2)
    assert recycled["tasks"] == 3


# --- as process 1 ---------------------------------------------------------------------------------


class Contained(ServiceProcess):
    """The service as process 1 of a namespace of its own, as in a container."""

    under = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")

    @property
    def init(self) -> int:
        """Process 1, as it is called out here."""
        return next(pid for pid in descendants(self.pid) if parent(pid) == self.pid)


def _can_unshare() -> bool:
    try:
        tried = subprocess.run([*Contained.under, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


in_container = pytest.mark.skipif(not _can_unshare(), reason="needs a PID namespace (root, Linux)")


@in_container
async def test_process_1_reaps_every_orphan_and_no_status_gets_lost(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, kind=Contained))

    # Left to process 1: an orphan of a plain thread's child. Left to a fork server: the others.
    orphans = [await client.post("leave_orphan") for _ in range(10)]
    orphans += [await client.post("leave_orphan_in_thread") for _ in range(10)]
    await when(orphans, client.service, "task_completed")
    crashed = await client.post("signal", number=int(signal.SIGKILL), options={"max_attempts": 1})
    await client.service.wait_for("task_dead_lettered", task_id=crashed)

    await until(lambda: "sleep" not in _names(client.service.pid))
    assert "Z" not in descendants(client.service.pid).values()
    assert "signal 9 (SIGKILL)" in (await client.show(crashed))["reason"]


@in_container
async def test_process_1_passes_a_signal_on_and_ends_with_the_code_of_the_service(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, kind=Contained))
    task_id = await client.post("pid")
    await client.service.wait_for("task_completed", task_id=task_id)
    family = descendants(client.service.pid)

    os.kill(client.service.init, signal.SIGTERM)  # type: ignore[attr-defined]

    assert await client.service.wait() == 0
    assert client.service.events.select("signal_received", signal="SIGTERM")
    assert not any(map(is_there, family))


@in_container
async def test_process_1_ends_when_the_service_is_killed(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS, kind=Contained))
    init = client.service.init  # type: ignore[attr-defined]
    [service] = [pid for pid in descendants(init) if parent(pid) == init]

    os.kill(service, signal.SIGKILL)

    assert await client.service.wait() == 128 + signal.SIGKILL


def _names(above: int) -> set[str]:
    names = set()
    for pid in descendants(above):
        stat = Path(f"/proc/{pid}/stat")
        names.add(re.findall(r"\((.*)\)", stat.read_text())[0] if stat.exists() else "")
    return names


@pytest.mark.parametrize("action", ["pay", "pay_blocking"])
async def test_a_process_has_its_tasks_transaction(
    services: Services, http: aiohttp.ClientSession, action: str
) -> None:
    client = Client(http, await services.start(*ONE, "--slots", "1"))
    database = services.folder / "data" / "tasks.db"
    with closing(sqlite3.connect(database)) as db:
        db.execute("CREATE TABLE paid (task TEXT, amount INTEGER)")

    tasks = [await client.post(action, amount=amount) for amount in (1, 2)]
    await when(tasks, client.service, "task_completed")

    with closing(sqlite3.connect(database)) as db:
        assert dict(db.execute("SELECT task, amount FROM paid")) == {tasks[0]: 1, tasks[1]: 2}
    results = [(await client.show(task_id))["result"] for task_id in tasks]
    assert results == [[[1]], [[3]]]


async def test_a_process_is_told_why_a_statement_is_refused(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE))

    task_id = await client.post("forge")
    await client.service.wait_for("task_completed", task_id=task_id)

    assert "may not change tasks" in (await client.show(task_id))["result"]


async def test_the_progress_of_a_process_can_be_seen_while_it_runs(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*ONE))

    task_id = await client.post("tell", until=str(services.folder / "gate"))
    shown = await eventually(
        lambda: client.show(task_id), lambda task: task.get("progress") == {"step": 5}
    )
    (services.folder / "gate").touch()
    await client.service.wait_for("task_completed", task_id=task_id)

    assert shown["status"] == "running"
