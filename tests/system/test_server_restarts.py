"""A PostgreSQL server that is restarted under load: an absence, and no crash of the service."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import aiohttp
import pytest

from tests.postgres_cluster import Cluster, postgres_cluster
from tests.postgres_programs import NoPostgres
from tests.system.services import Client, Services, until

pytestmark = pytest.mark.long

RESTARTS = 10
CLIENTS = 4
PAUSE_S = 0.05  # between two requests of one client
APP = ("--app", "tests.system.app:app", "--consumers", "2")


@pytest.fixture
def server() -> Iterator[Cluster]:
    try:
        with postgres_cluster() as cluster:
            yield cluster
    except NoPostgres as none:
        pytest.skip(str(none))


@pytest.mark.timeout(240)
async def test_a_server_that_restarts_ten_times_costs_no_task_and_no_restart(
    services: Services, http: aiohttp.ClientSession, server: Cluster
) -> None:
    service = await services.start(*APP, "--database", server.url)
    client = Client(http, service)
    before = _incarnations((await client.get("/supervision")).body)
    load = Load(client)

    async with load.on():
        reasons = [
            await _restarted(client, server, "fast" if number % 2 else "immediate")
            for number in range(RESTARTS)
        ]
        await load.accepts_more()
    await until(lambda: _open_tasks(client), lambda tasks: tasks == 0)
    ends = [await client.show(task_id) for task_id in load.accepted]
    after = _incarnations((await client.get("/supervision")).body)

    assert {task["status"] for task in ends} == {"completed"}
    assert load.statuses.keys() == {202, 503}
    assert all("postgresql://" in reason for reason in reasons)
    assert after == before
    assert service.events.select("child_restarted") == []


async def _restarted(client: Client, server: Cluster, mode: str) -> str:
    """Restart the server; return why the service was not ready meanwhile."""
    await asyncio.to_thread(server.stop, mode)
    red = await until(lambda: client.get("/ready"), lambda answer: answer.status == 503)
    await asyncio.to_thread(server.start)
    await until(lambda: client.get("/ready"), lambda answer: answer.status == 200)
    return str(red.body["detail"])


async def _open_tasks(client: Client) -> int:
    answer = await client.get("/stats")
    return sum(answer.body["tasks"][status] for status in ("queued", "running", "retrying"))


def _incarnations(node: Mapping[str, Any]) -> dict[str, int]:
    """Return in which life each actor of the tree is."""
    found = {node["path"]: node["incarnation"]}
    for child in node.get("children", ()):
        found |= _incarnations(child)
    return found


class Load:
    """Clients that post all the time."""

    def __init__(self, client: Client) -> None:
        self.accepted: list[str] = []
        self.statuses: Counter[int] = Counter()
        self._client = client
        self._has_accepted = asyncio.Event()
        self._over = False

    @contextlib.asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Post while inside; on leaving, each client finishes its request."""
        async with asyncio.TaskGroup() as clients:
            for _ in range(CLIENTS):
                clients.create_task(self._post_on())
            try:
                yield
            finally:
                self._over = True

    async def accepts_more(self) -> None:
        """Wait until one more is accepted."""
        self._has_accepted.clear()
        await self._has_accepted.wait()

    async def _post_on(self) -> None:
        while not self._over:
            answer = await self._client.try_to_post("quick")
            self.statuses[answer.status] += 1
            if answer.status == 202:
                self.accepted.append(answer.body["id"])
                self._has_accepted.set()
            await asyncio.sleep(PAUSE_S)
