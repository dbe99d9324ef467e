"""A handler's SQL costs its own attempt, whatever it is, and neither the queue nor a stop."""

import asyncio
import signal

import aiohttp
import pytest

from tests.sandbox.hostile import ENDLESS_STEPS
from tests.system.services import Client, Services, outages, when

pytestmark = [pytest.mark.long, pytest.mark.forked, pytest.mark.in_memory]

FLAGS = ("--app", "tests.system.app:app", "--consumers", "4", "--retry-initial-s", "0.05")
ONCE = {"max_attempts": 1}


@pytest.mark.parametrize("fetch", [False, True], ids=["with the ack", "for its rows"])
async def test_an_endless_step_is_a_failure_of_its_attempt_and_everything_else_goes_on(
    services: Services, http: aiohttp.ClientSession, fetch: bool
) -> None:
    client = Client(http, await services.start(*FLAGS))

    endless = await client.post("sql", options=ONCE, statement=ENDLESS_STEPS["like"], fetch=fetch)
    others = [await client.post("quick") for _ in range(20)]
    await when(others, client.service, "task_completed")
    await client.service.wait_for("task_dead_lettered", task_id=endless)

    [attempt] = (await client.show(endless))["attempts"]
    assert attempt["outcome"] == "failed"
    assert "took longer than 1.0 s" in attempt["error"]
    assert outages(client.service.events) == []
    assert client.service.events.select("child_restarted") == []
    assert (await client.get("/ready")).status == 200


async def test_a_service_stops_and_the_next_one_starts_while_steps_are_endless(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))
    steps = [
        await client.post("sql", statement=sql, fetch=fetch)
        for sql in ENDLESS_STEPS.values()
        for fetch in (False, True)
    ]
    await client.service.wait_for("attempt_started", task_id=steps[0])

    client.service.send(signal.SIGTERM)
    async with asyncio.timeout(60):
        code = await client.service.wait()
    client.service = await services.start(*FLAGS)
    later = await client.post("quick")
    await client.service.wait_for("task_completed", task_id=later)

    assert code == 0
    assert (await client.get("/ready")).status == 200


async def test_a_service_that_is_killed_leaves_no_writer_with_the_lock(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))
    step = await client.post("sql", statement=ENDLESS_STEPS["glob"], fetch=False)
    await client.service.wait_for("attempt_started", task_id=step)

    client.service.kill()
    await client.service.wait()
    client.service = await services.start(*FLAGS)
    later = await client.post("quick")

    await client.service.wait_for("task_completed", task_id=later)
