"""The usual time limit: whose attempts it ends, and whose it does not."""

import aiohttp
import pytest

from tests.system.services import TIMEOUT_S, Client, Services

pytestmark = pytest.mark.forked

FLAGS = ("--app", "tests.system.limited:app", "--slots", "4", "--timeout-s", "0.5")


@pytest.mark.parametrize(
    ("action", "limit"), [("on_loop", "0.5 s"), ("in_process", "0.5 s"), ("own", "0.1 s")]
)
async def test_an_attempt_ends_at_the_limit_of_its_action_or_the_usual_one(
    services: Services, http: aiohttp.ClientSession, action: str, limit: str
) -> None:
    client = Client(http, await services.start(*FLAGS))

    task_id = await client.post(action)
    await client.service.wait_for("task_dead_lettered", task_id=task_id, timeout_s=TIMEOUT_S)

    reason = (await client.show(task_id))["reason"]
    assert reason == f"the only attempt failed: timed out after {limit}"


async def test_actions_without_a_limit_and_threads_outlast_it(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    tasks = [
        await client.post(action) for action in ("unlimited", "unlimited_process", "in_thread")
    ]

    for task_id in tasks:
        await client.service.wait_for("task_completed", task_id=task_id, timeout_s=TIMEOUT_S)
