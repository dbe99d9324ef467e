"""Tasks that follow each other in a chain, while the service is killed again and again."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.system.crash_places import (
    Place,
    PostgresPlace,
    Row,
    migrated_template,
    place,
    places,
    postgres,
)
from tests.system.services import Client, Services, until

__all__ = ["migrated_template", "place", "places", "postgres"]

pytestmark = [pytest.mark.long, pytest.mark.forked]

KILLS = 3
TASKS = 1_000
FLAGS = ("--app", "tests.system.chained_app:app", "--slots", "4", "--retry-initial-s", "0.01")
EVENT = "task_completed"


@pytest.mark.timeout(120)
async def test_a_chain_that_is_killed_goes_on_and_never_runs_two(
    services: Services, http: aiohttp.ClientSession, place: Place, draw: random.Random
) -> None:
    notes, flags = place.folder / "notes", (*FLAGS, *place.flags)
    client = Client(http, await services.start(*flags))
    await post_all(client, notes)

    for _ in range(KILLS):
        await client.service.wait_for(EVENT, nth=draw.randint(20, 150))
        client.service.kill()
        await client.service.wait()
        await place.end_leases()
        client.service = await services.start(*flags)
    await all_completed(client)

    began: Counter[str] = Counter()
    for life in services.lives:
        lines = [line.split() for line in notes.read_text().splitlines()]
        mine = [(what, task_id) for pid, what, task_id in lines if int(pid) == life.pid]
        began.update(task_id for what, task_id in mine if what == "begin")
        assert mine[::2] == [("begin", task_id) for _, task_id in mine[::2]]
        assert mine[1::2] == [("end", task_id) for _, task_id in mine[: len(mine) // 2 * 2 : 2]]
    assert len(began) == TASKS
    assert await is_unused(client)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("places", ["postgresql"], indirect=True)
async def test_nodes_that_share_a_key_never_run_two_while_one_after_the_other_is_killed(
    services: Services, http: aiohttp.ClientSession, place: PostgresPlace, draw: random.Random
) -> None:
    notes, flags = place.folder / "notes", (*FLAGS, *place.flags)
    nodes = [Client(http, await services.start(*flags)) for _ in range(2)]
    await post_all(nodes[0], notes)

    for number in range(KILLS):
        victim = nodes[number % 2]
        await until(lambda: place.fetch(_COMPLETED), reached(draw.randint(50, 150) * (number + 1)))
        victim.service.kill()
        await victim.service.wait()
        await place.fetch(_END_LEASES.format(url=victim.service.url))
        victim.service = await services.start(*flags)
    await all_completed(nodes[0])

    killed = {life.pid for life in services.lives} - {node.service.pid for node in nodes}
    running: tuple[int, str] | None = None
    for line in notes.read_text().splitlines():
        pid, what, task_id = line.split()
        if what == "begin":
            assert running is None or running[0] in killed, (running, line)
            running = int(pid), task_id
        else:
            assert running == (int(pid), task_id)
            running = None
    assert await is_unused(nodes[0])


@pytest.fixture
def draw() -> random.Random:
    """Draw anew each time; the seed is printed."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    return random.Random(seed)


async def post_all(client: Client, notes: Path) -> None:
    """Post all tasks before the first begins."""
    await client.change("POST", "/queues/default/pause")
    task = {"action": "hot", "data": {"notes": str(notes)}, "max_attempts": KILLS + 1}
    for _ in range(TASKS // 500):
        await client.change("POST", "/tasks", [task] * 500)
    await client.change("POST", "/queues/default/resume")


async def all_completed(client: Client) -> None:
    await until(
        lambda: client.get("/stats"), lambda stats: stats.body["tasks"]["completed"] == TASKS
    )


async def is_unused(client: Client) -> bool:
    usage = (await client.get("/limits/hot")).body
    return usage["keys"] == [] or usage["running"] == 0


def reached(wanted: int) -> Callable[[Sequence[Row]], bool]:
    """Return whether so many tasks were counted."""
    return lambda rows: rows[0][0] >= wanted


_COMPLETED = "SELECT count(*) FROM tasks WHERE status = 'completed'"
_END_LEASES = """
UPDATE tasks SET expires_at = 0
WHERE node IN (SELECT name FROM nodes WHERE said::json ->> 'address' = '{url}')
"""
