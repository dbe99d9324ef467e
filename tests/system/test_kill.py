"""SIGKILL, again and again: nothing that was accepted is lost, and nothing ends twice.

The process is killed twenty times at moments drawn from a seed, while clients post. Then it may
live, and the file and the logs of all its lives are compared with what the clients were promised.
"""

import asyncio
import contextlib
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import aiohttp
import pytest

from taskqueue.rules.policy import RetryPolicy
from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until

pytestmark = [pytest.mark.long, pytest.mark.forked]

KILLS, MOST_KILLS = 8, 20
POSTERS = 4
ENDS = {"completed", "dead"}


class Posters:
    """Clients that post whatever happens, and remember every id that was answered 202."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.accepted: set[str] = set()
        self.url = ""
        self._http = http

    async def post(self) -> None:
        while True:
            with contextlib.suppress(
                aiohttp.ClientError
            ):  # it died; or the port is not its own yet
                body = {"action": "uppercase", "data": {"text": "hi"}}
                async with self._http.post(f"{self.url}/tasks", json=body) as response:
                    if response.status == 202:
                        self.accepted.add((await response.json())["id"])
            await asyncio.sleep(0.01)

    @contextmanager
    def posting(self) -> Iterator[None]:
        posting = [asyncio.create_task(self.post()) for _ in range(POSTERS)]
        try:
            yield
        finally:
            for each in posting:
                each.cancel()


@pytest.mark.timeout(240)
async def test_kills_under_load_lose_nothing_and_end_nothing_twice(
    services: Services, http: aiohttp.ClientSession, request: pytest.FixtureRequest
) -> None:
    kills = MOST_KILLS if request.config.getoption("--full") else KILLS
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201
    draw = random.Random(seed)
    flags = ("--demo-work-s", "0.01", "--retry-initial-s", "0.05", "--slots", "2")
    posters = Posters(http)
    began_at = time.monotonic()

    posters.url = (await services.start(*flags)).url
    with posters.posting():
        for kill in range(kills):
            await _kill_at_some_moment(services.lives[-1], draw)
            life = await services.launch(*flags)
            if kill == kills - 1 or draw.random() < 0.8:  # the others die while they start
                posters.url = (await life.ready()).url
    took_s = time.monotonic() - began_at
    client = Client(http, services.lives[-1])
    await until(lambda: client.get("/stats"), lambda stats: _all_ended(stats.body["tasks"]))
    assert await services.lives[-1].stop() == 0

    rows = _rows(services.folder)
    ends = Counter(rows[task_id]["status"] for task_id in posters.accepted)
    print(f"{kills} kills in {took_s:.1f} s; {len(posters.accepted)} accepted: {dict(ends)}")  # noqa: T201
    assert len(posters.accepted) > kills
    assert set(ends) <= ENDS
    assert _completed_more_than_once(services.lives) == {}
    assert all(_ran_and_crashed(row, services.lives) for row in rows.values() if row["reason"])
    assert _integrity(services.folder) == "ok"


async def test_a_task_that_never_ran_survives_as_many_kills_as_it_may_have_deliveries(
    services: Services, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    # One consumer with one slot: in each life the task that holds goes first, and the others wait
    # in the buffer, claimed, until the process is killed.
    kills = 3
    one = ("--consumers", "1", "--slots", "1")
    flags = ("--app", "tests.system.app:app", *one, "--retry-initial-s", "0")
    limits = ("--retry-max-crashes", "99", "--retry-max-deliveries", str(kills))
    gate = tmp_path / "gate"
    client = Client(http, await services.start(*flags, *limits))
    holding = await client.post("hold", options={"max_attempts": 99}, until=str(gate))
    await client.service.wait_for("attempt_started", task_id=holding)
    waiting = [await client.post("quick", options={"priority": 9}) for _ in range(3)]
    await until(
        lambda: asyncio.gather(*map(client.show, waiting)),
        lambda tasks: all(task["deliveries"] == 1 for task in tasks),
    )

    for _ in range(kills):
        client.service.kill()
        await client.service.wait()
        client.service = await services.start(*flags, *limits)
        await client.service.wait_for("attempt_started", task_id=holding)
    tasks = [await client.show(task_id) for task_id in waiting]
    gate.touch()

    assert RetryPolicy().max_deliveries >= MOST_KILLS
    assert [(task["status"], task["crashes"]) for task in tasks] == [("queued", 0)] * 3
    for task_id in (holding, *waiting):
        await client.service.wait_for("task_completed", task_id=task_id)
    for task_id in waiting:
        assert (await client.show(task_id))["attempt"] == 1


async def _kill_at_some_moment(life: ServiceProcess, draw: random.Random) -> None:
    await asyncio.sleep(draw.uniform(0.0, 0.6))  # not to wait for something, but to hit any line
    life.kill()
    await life.wait()


def _all_ended(tasks: dict[str, int]) -> bool:
    return not any(count for status, count in tasks.items() if status not in ENDS)


def _completed_more_than_once(lives: list[ServiceProcess]) -> dict[str, int]:
    completed = Counter(
        event["task_id"] for life in lives for event in life.events.select("task_completed")
    )
    return {task_id: times for task_id, times in completed.items() if times > 1}


def _ran_and_crashed(row: sqlite3.Row, lives: list[ServiceProcess]) -> bool:
    """Tell whether a task that is dead died of what was done to it, not of waiting."""
    begun = [e for life in lives for e in life.events.select("attempt_started", task_id=row["id"])]
    return row["status"] != "dead" or (row["crashes"] >= 3 and bool(begun))


def _rows(folder: Path) -> dict[str, sqlite3.Row]:
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db:
        db.row_factory = sqlite3.Row
        return {row["id"]: row for row in db.execute("SELECT * FROM tasks")}


def _integrity(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db:
        [verdict] = db.execute("PRAGMA integrity_check").fetchone()
        return str(verdict)
