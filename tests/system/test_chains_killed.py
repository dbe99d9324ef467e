"""Tasks that follow each other in a chain, while the service is killed again and again."""

import random
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from tests.system.services import Client, Services, until

pytestmark = [pytest.mark.long, pytest.mark.forked]

KILLS = 3
TASKS = 1_000
FLAGS = ("--app", "tests.system.chained_app:app", "--slots", "4", "--retry-initial-s", "0.01")


@pytest.mark.timeout(120)
async def test_a_chain_that_is_killed_goes_on_and_never_runs_two(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = random.Random(seed)
    notes = tmp_path / "notes"
    client = Client(http, await services.start(*FLAGS))
    await client.change("POST", "/queues/default/pause")
    task = {"action": "hot", "data": {"notes": str(notes)}, "max_attempts": KILLS + 1}
    for _ in range(TASKS // 500):
        await client.change("POST", "/tasks", [task] * 500)
    await client.change("POST", "/queues/default/resume")

    for _ in range(KILLS):
        await client.service.wait_for("task_completed", nth=draw.randint(20, 150))
        client.service.kill()
        await client.service.wait()
        client.service = await services.start(*FLAGS)
    await until(
        lambda: client.get("/stats"), lambda stats: stats.body["tasks"]["completed"] == TASKS
    )

    began: Counter[str] = Counter()
    for life in services.lives:
        lines = [line.split() for line in notes.read_text().splitlines()]
        mine = [(what, task_id) for pid, what, task_id in lines if int(pid) == life.pid]
        began.update(task_id for what, task_id in mine if what == "begin")
        assert mine[::2] == [("begin", task_id) for _, task_id in mine[::2]]
        assert mine[1::2] == [("end", task_id) for _, task_id in mine[: len(mine) // 2 * 2 : 2]]
    assert len(began) == TASKS
    usage = (await client.get("/limits/hot")).body
    assert usage["keys"] == [] or usage["running"] == 0
