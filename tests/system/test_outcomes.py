"""What becomes of tasks that fail, and of those that take their consumer down. Seen over HTTP."""

from itertools import pairwise

import aiohttp
import pytest

from tests.system.services import Client, Services, when

pytestmark = pytest.mark.forked

FLAGS = ("--app", "examples.tutorial:app", "--retry-initial-s", "0.05", "--retry-jitter", "0")


async def test_a_task_that_always_fails_is_dead_after_five_attempts_and_can_be_redriven(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("decline")
    await client.service.wait_for("task_dead_lettered", task_id=task_id)
    dead = await client.show(task_id)
    await client.redrive(task_id)
    await client.service.wait_for("task_dead_lettered", task_id=task_id, nth=2)
    dead_again = await client.show(task_id)

    attempts = dead["attempts"]
    assert dead["status"] == "dead"
    assert dead["reason"] == "all 5 attempts failed; last: returned False"
    assert [attempt["attempt"] for attempt in attempts] == [1, 2, 3, 4, 5]
    assert {(attempt["outcome"], attempt["error"]) for attempt in attempts} == {
        ("failed", "returned False")
    }
    gaps = [later["started_at"] - earlier["ended_at"] for earlier, later in pairwise(attempts)]
    for gap, least in zip(gaps, (0.05, 0.1, 0.2, 0.4), strict=True):
        assert gap > least - 0.001
    assert dead_again["attempts"][:5] == attempts
    assert [attempt["attempt"] for attempt in dead_again["attempts"][5:]] == [1, 2, 3, 4, 5]


async def test_a_task_that_takes_its_consumer_down_once_completes_at_the_second_attempt(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_crashed")
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post("crash", times=1)
    await client.service.wait_for("task_completed", task_id=task_id)
    task = await client.show(task_id)

    crashed = task["attempts"][0]
    assert (task["status"], task["result"]) == ("completed", {"output": "survived"})
    assert (task["attempt"], task["crashes"]) == (2, 1)
    assert (crashed["attempt"], crashed["outcome"]) == (1, "crashed")
    assert "the consumer goes down" in crashed["error"]
    [restarted] = client.service.events.select("child_restarted")
    assert (restarted["supervisor"], restarted["incarnation"]) == ("consumers", 2)
    assert "the consumer goes down" in restarted["reason"]


async def test_a_task_that_always_takes_its_consumer_down_is_poison_and_harms_no_other(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_crashed")
    client = Client(http, await services.start(*FLAGS))

    poison = await client.post("crash", times=99)
    healthy = [await client.post("sum", numbers=[n, 1]) for n in range(30)]
    await client.service.wait_for("task_dead_lettered", task_id=poison)
    await when(healthy, client.service, "task_completed")
    dead = await client.show(poison)

    assert dead["status"] == "dead"
    assert dead["reason"].startswith("poison: crashed 3 times")
    assert [attempt["outcome"] for attempt in dead["attempts"]] == ["crashed"] * 3
    assert len(client.service.events.select("child_restarted", supervisor="consumers")) == 3
    for n, task_id in enumerate(healthy):
        assert (await client.show(task_id))["result"] == {"output": n + 1}
