"""Several services on one PostgreSQL database: what one decides the others do, and who dies helps
none, but harms none either.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest

from taskqueue.storage.postgres.database import PostgresDatabase
from tests.postgres_server import PostgresServer
from tests.storage.conftest import fresh_database, migrated_template, postgres
from tests.system.services import Client, Services, until, when

__all__ = ["fresh_database", "migrated_template", "postgres"]

pytestmark = [pytest.mark.long, pytest.mark.forked]

LEASE_S = 2.0
SOON_S = 1.0
"""Within which every node does what was decided at another."""

_CLAIMED_AHEAD = """
SELECT count(*) FROM taskqueue.tasks WHERE token IS NOT NULL AND status <> 'running'
"""

_TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = $1"
SAMPLE = 50
IDLE_PER_S = 7.0
"""It is half of that, and was 11 when idle nodes polled twice a second. Autovacuum is in it."""

APP = (
    "--app",
    "tests.system.nodes_app:app",
    "--lease-s",
    str(LEASE_S),
    "--retry-initial-s",
    "0.05",
)


class Nodes:
    """Services that share a database, and clients of theirs."""

    def __init__(
        self, services: Services, http: aiohttp.ClientSession, database: PostgresDatabase
    ) -> None:
        self._services = services
        self._http = http
        self._database = database

    async def start(self, *flags: str, options: str = "") -> Client:
        """Start one more."""
        where = ("--database", f"{self._database.url}{options}")
        return Client(self._http, await self._services.start(*APP, *where, *flags))

    async def claimed_ahead(self) -> int:
        """Return how many tasks are claimed and not begun."""
        connection = await asyncpg.connect(self._database.dsn)
        try:
            return int(await connection.fetchval(_CLAIMED_AHEAD))
        finally:
            await connection.close()


@pytest.fixture
async def nodes(
    services: Services, http: aiohttp.ClientSession, fresh_database: PostgresDatabase
) -> AsyncIterator[Nodes]:
    yield Nodes(services, http, fresh_database)
    await services.end()  # before their database is dropped


async def test_what_a_killed_node_ran_is_rescued_when_its_lease_is_over(
    nodes: Nodes, tmp_path: Path
) -> None:
    dying = await nodes.start()
    task = await dying.post("hold", until=str(tmp_path / "go"))
    await _runs(dying, task)
    other = await nodes.start()

    dying.service.kill()
    killed_at = time.monotonic()
    await when([task], other.service, "attempt_started")
    after_s = time.monotonic() - killed_at
    (tmp_path / "go").touch()
    await when([task], other.service, "task_completed")

    shown = await other.show(task)
    outcomes = [each["outcome"] for each in shown["attempts"]]
    assert (shown["status"], outcomes) == ("completed", ["crashed", "completed"])
    assert after_s < LEASE_S + 3 * SOON_S


@pytest.mark.timeout(120)  # it starts three
async def test_of_several_nodes_one_says_that_it_has_rescued_a_task(
    nodes: Nodes, tmp_path: Path
) -> None:
    dying, *others = await asyncio.gather(
        nodes.start(), *(nodes.start("--consumers", "0") for _ in range(2))
    )
    tasks = [await dying.post("hold", until=str(tmp_path / "never")) for _ in range(4)]
    for task in tasks:
        await _runs(dying, task)

    dying.service.kill()
    for task in tasks:
        await _has_crashed(others[0], task)

    logs = [each.service.events for each in others]
    rescued = [event["task_id"] for log in logs for event in log.select("task_rescued")]
    assert sorted(rescued) == sorted(tasks)
    assert [log.select("task_lease_lost") for log in logs] == [[], []]


async def test_a_frozen_node_finds_its_lease_lost_writes_nothing_and_says_so_once(
    nodes: Nodes, tmp_path: Path
) -> None:
    frozen = await nodes.start()
    task = await frozen.post("hold", until=str(tmp_path / "go"))
    await _runs(frozen, task)
    frozen.service.send(signal.SIGSTOP)
    other = await nodes.start()

    await when([task], other.service, "attempt_started")
    (tmp_path / "go").touch()
    await when([task], other.service, "task_completed")
    ended = await other.show(task)
    frozen.service.send(signal.SIGCONT)
    await frozen.service.wait_for("task_lease_lost", task_id=task)
    after = await frozen.post("hold", until=str(tmp_path / "go"))  # it serves again
    await until(lambda: frozen.show(after), lambda shown: shown["status"] == "completed")

    assert await other.show(task) == ended
    assert [each["outcome"] for each in ended["attempts"]] == ["crashed", "completed"]
    assert len(frozen.service.events.select("task_lease_lost")) == 1


@pytest.fixture(params=["", "&pooler=true"], ids=["by notice", "by poll"])
def options(request: pytest.FixtureRequest) -> str:
    """Behind a pooler there are no notices, so a node learns everything by its polls."""
    return str(request.param)


@pytest.fixture
async def there(nodes: Nodes, options: str) -> Client:
    """A node that runs one task at a time."""
    return await nodes.start("--consumers", "1", "--slots", "1", options=options)


@pytest.fixture
async def here(nodes: Nodes, there: Client, options: str) -> Client:
    """Another, which runs none."""
    return await nodes.start("--consumers", "0", options=options)


class Stopwatch:
    """What is begun in it has to be done soon."""

    def __enter__(self) -> None:
        self._began_at = time.monotonic()

    def __exit__(self, *_: object) -> None:
        took_s = time.monotonic() - self._began_at
        assert took_s < SOON_S


async def test_a_task_that_runs_at_one_node_is_cancelled_at_another(
    here: Client, there: Client, tmp_path: Path
) -> None:
    task = await there.post("hold", until=str(tmp_path / "never"))
    await when([task], there.service, "attempt_started")

    with Stopwatch():
        assert (await here.change("POST", f"/tasks/{task}/cancel")).status == 202
        await when([task], there.service, "task_cancelled")

    assert (await here.show(task))["status"] == "cancelled"


async def test_a_queue_that_is_paused_at_one_node_begins_nothing_at_another(
    here: Client, there: Client, nodes: Nodes, tmp_path: Path
) -> None:
    first, *others = [await there.post("hold", until=str(tmp_path / "go")) for _ in range(3)]
    await when([first], there.service, "attempt_started")
    await until(nodes.claimed_ahead, lambda tasks: tasks == 2)

    with Stopwatch():
        await here.change("POST", "/queues/default/pause")
        await until(nodes.claimed_ahead, lambda tasks: tasks == 0)
    (tmp_path / "go").touch()
    await when([first], there.service, "task_completed")
    waiting = [(await here.show(task))["status"] for task in others]
    with Stopwatch():
        await here.change("POST", "/queues/default/resume")
        await when(others, there.service, "task_completed")

    assert waiting == ["queued", "queued"]


async def test_a_limit_that_is_raised_at_one_node_lets_another_start_more(
    here: Client, there: Client, tmp_path: Path
) -> None:
    await here.change("PUT", "/queues/default/consumers", {"slots": 2})
    tasks = [await there.post("limited", until=str(tmp_path / "go")) for _ in range(2)]
    await when(tasks[:1], there.service, "attempt_started")

    with Stopwatch():
        await here.change("PUT", "/limits/few", {"running": 2})
        await when(tasks[1:], there.service, "attempt_started")
    (tmp_path / "go").touch()


async def test_consumers_that_are_set_at_one_node_are_there_at_another(
    here: Client, there: Client
) -> None:
    with Stopwatch():
        await here.change("PUT", "/queues/default/consumers", {"count": 3})
        await there.service.wait_for("child_started", child_id="consumer-3")


async def test_a_node_that_is_drained_from_another_finishes_what_runs_and_claims_no_more(
    here: Client, there: Client, nodes: Nodes, tmp_path: Path
) -> None:
    running, waiting = [await there.post("hold", until=str(tmp_path / "go")) for _ in range(2)]
    await when([running], there.service, "attempt_started")
    await until(nodes.claimed_ahead, lambda tasks: tasks == 1)
    name = await _name_of(there)

    with Stopwatch():
        await here.change("POST", f"/nodes/{name}/drain")
        await there.service.wait_for("node_draining", node=name)
        await until(nodes.claimed_ahead, lambda tasks: tasks == 0)
    draining = await _node(here, name)
    (tmp_path / "go").touch()
    await when([running], there.service, "task_completed")
    late = await there.post("hold", until=str(tmp_path / "go"))
    still = [(await here.show(task))["status"] for task in (waiting, late)]
    with Stopwatch():
        await here.change("POST", f"/nodes/{name}/resume")
        await when([waiting, late], there.service, "task_completed")

    assert (draining["state"], draining["slots"]) == ("draining", 1)
    assert still == ["queued", "queued"]
    assert (await _node(here, name))["state"] == "serving"


async def test_a_drained_node_that_is_stopped_does_not_resume(here: Client, there: Client) -> None:
    name = await _name_of(there)
    await here.change("POST", f"/nodes/{name}/drain")
    await there.service.wait_for("node_draining", node=name)

    assert await there.service.stop() == 0

    assert there.service.events.select("node_resumed") == []


async def test_the_nodes_are_listed_until_they_stop_and_as_silent_if_they_die(
    nodes: Nodes, http: aiohttp.ClientSession
) -> None:
    here, stopping, dying = [await nodes.start() for _ in range(3)]
    names = {await _name_of(each): each for each in (here, stopping, dying)}
    listed = {each["name"]: each for each in await _nodes(here)}

    assert await stopping.service.stop() == 0
    dying.service.kill()
    after_stop = await until(lambda: _nodes(here), lambda found: len(found) == 2)
    dead = await _name_of(dying, among=after_stop)
    await until(lambda: _node(here, dead), lambda node: node["state"] == "silent")

    assert {name: each["address"] for name, each in listed.items()} == {
        name: client.service.url for name, client in names.items()
    }
    assert {each["state"] for each in listed.values()} == {"serving"}


async def test_idle_nodes_ask_the_server_little_and_miss_nothing(
    nodes: Nodes, fresh_database: PostgresDatabase, postgres: PostgresServer, tmp_path: Path
) -> None:
    usual = ("--lease-s", "30")
    here, there = [await nodes.start("--consumers", count, *usual) for count in ("0", "1")]
    observer = await asyncpg.connect(postgres.url)  # in another database
    name = urlsplit(fresh_database.url).path.strip("/")

    async def asked() -> int:
        return int(await observer.fetchval(_TRANSACTIONS, name))

    async def per_second() -> float:
        before, began = await until(asked, lambda found: found > 0), time.monotonic()
        await until(asked, lambda found: found >= before + SAMPLE)
        return SAMPLE / (time.monotonic() - began)

    # At first they make partitions.
    await until(per_second, lambda rate: rate < 2 * IDLE_PER_S)
    await observer.close()
    with Stopwatch():
        task = await here.post("hold", until=str(tmp_path / "go"), options={"delay_s": SOON_S / 4})
        await when([task], there.service, "attempt_started")
    with Stopwatch():
        await here.change("POST", f"/tasks/{task}/cancel")
        await when([task], there.service, "task_cancelled")


async def _runs(client: Client, task: str) -> None:
    """Wait until it is stored that the task runs: only then does a crash count."""
    await until(lambda: client.show(task), lambda shown: shown["status"] == "running")


async def _has_crashed(client: Client, task: str) -> None:
    await until(lambda: client.show(task), lambda shown: shown["status"] != "running")


async def _nodes(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/nodes")).body["nodes"]
    return found


async def _node(client: Client, name: str) -> dict[str, Any]:
    [found] = [node for node in await _nodes(client) if node["name"] == name]
    return found


async def _name_of(client: Client, *, among: list[dict[str, Any]] | None = None) -> str:
    """Return the name of the node that is behind a client."""
    url = client.service.url
    found = among or await until(
        lambda: _nodes(client), lambda found: any(node["address"] == url for node in found)
    )
    [name] = [node["name"] for node in found if node["address"] == url]
    return str(name)
