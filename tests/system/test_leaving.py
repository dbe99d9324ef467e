"""The service ends in time and as promised, whatever handlers have left running."""

import time

import aiohttp
import pytest

from tests.system.services import Client, Services, when

pytestmark = pytest.mark.long

DRAIN_S = 0.5
FLAGS = ("--app", "tests.system.harmful:app", "--consumers", "2", "--drain-s", str(DRAIN_S))

# What a machine that is busy with other tests may add. Without the limit it would be a minute.
SLACK_S = 10.0


@pytest.mark.parametrize(
    ("action", "ends"),
    [
        ("to_thread", False),
        ("look_up", False),
        ("block_the_loop", False),
        ("own_executor", True),
        ("own_thread", True),
        ("exit_handler", True),
    ],
)
async def test_a_stop_ends_with_0_though_a_handler_has_left_something_that_goes_on(
    services: Services, http: aiohttp.ClientSession, action: str, *, ends: bool
) -> None:
    services.expect("actor_abandoned", "child_stop_failed")
    client = Client(http, await services.start(*FLAGS))
    task_id = await client.post(action)
    await when([task_id], client.service, "task_completed" if ends else "attempt_started")

    began_at = time.monotonic()
    code = await client.service.stop()
    took_s = time.monotonic() - began_at
    left = sorted(path.name for path in (services.folder / "data").iterdir())

    print(f"{action}: ended {took_s - DRAIN_S:.2f} s after the drain")  # noqa: T201
    assert code == 0
    assert took_s < DRAIN_S + SLACK_S
    assert client.service.events.select("service_stopped", reason="told to stop")
    assert left == ["tasks.db", "tasks.db.lock"]  # closed in order: no log is left to be recovered


async def test_what_was_cut_is_handed_back_though_its_thread_goes_on(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_abandoned", "child_stop_failed")
    client = Client(http, await services.start(*FLAGS))
    cut = [await client.post(action) for action in ("to_thread", "block_the_loop")]
    await when(cut, client.service, "attempt_started")

    await client.service.stop()
    client.service = await services.start(*FLAGS, "--consumers", "0")

    tasks = [await client.show(task_id) for task_id in cut]
    assert [(task["status"], task["attempt"]) for task in tasks] == [("queued", 0)] * 2


async def test_exit_handlers_of_the_app_are_called(
    services: Services, http: aiohttp.ClientSession
) -> None:
    noted = services.folder / "noted"
    client = Client(http, await services.start(*FLAGS))
    task_id = await client.post("note_the_exit", into=str(noted))
    await when([task_id], client.service, "task_completed")

    code = await client.service.stop()

    assert code == 0
    assert noted.exists()


async def test_timers_and_the_stop_go_on_though_a_handler_has_replaced_the_functions_of_time(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_abandoned", "child_stop_failed")
    client = Client(http, await services.start(*FLAGS))
    await when([await client.post("stop_time")], client.service, "attempt_started")

    naps = [await client.post("nap") for _ in range(3)]
    await when(naps, client.service, "task_completed")
    began_at = time.monotonic()
    code = await client.service.stop()

    assert code == 0
    assert time.monotonic() - began_at < DRAIN_S + SLACK_S
