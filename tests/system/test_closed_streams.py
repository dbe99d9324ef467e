"""Handlers and apps close streams, sockets and loops, and others are opened after that."""

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED
from tests.system.services import Client, Services, when

pytestmark = pytest.mark.long

FLAGS = ("--app", "tests.system.harmful:app", "--consumers", "1")


@pytest.mark.parametrize("action", ["close_streams", "close_streams_in_thread"])
async def test_streams_that_are_closed_again_and_again_cost_the_service_nothing(
    services: Services, http: aiohttp.ClientSession, action: str
) -> None:
    client = Client(http, await services.start(*FLAGS))
    others = ("quick", "quick_in_process")

    for life in range(1, 4):
        closing = await client.post(action)
        await when([closing], client.service, "task_completed")
        # A loop, a fork server and a connection are opened: each could get the number of a stream.
        await client.kill("root/consumers/consumer-1")
        await client.service.wait_for("child_restarted", nth=life)
        async with aiohttp.ClientSession() as client.http:
            tasks = [await client.post(other) for other in others]
            await when(tasks, client.service, "task_completed")
        client.http = http
    code = await client.service.stop()

    assert code == 0
    assert client.service.events.select("loop_left") == []


async def test_sockets_that_are_closed_while_they_are_watched_cost_later_tasks_nothing(
    services: Services, http: aiohttp.ClientSession
) -> None:
    client = Client(http, await services.start(*FLAGS))

    closing = await client.post("leave_watched_sockets")
    await when([closing], client.service, "task_completed")
    # The pipes to a fork server and to a worker get numbers of those sockets.
    task_id = await client.post("quick_in_process")
    await when([task_id], client.service, "task_completed")

    assert (await client.show(task_id))["attempt"] == 1


async def test_a_handler_that_breaks_its_loop_crashes_its_consumer_once(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect("actor_crashed")
    client = Client(http, await services.start(*FLAGS))
    await when([await client.post("quick_in_process")], client.service, "task_completed")

    breaking = await client.post("break_the_loop")
    await when([breaking], client.service, "task_dead_lettered")
    later = [await client.post(action) for action in ("quick", "quick_in_process")]
    await when(later, client.service, "task_completed")
    reason = (await client.show(breaking))["reason"]
    code = await client.service.stop()

    assert code == 0
    assert "user code has broken the event loop of ConsumerActor" in reason
    counts = [len(client.service.events.select(name)) for name in ("loop_left", "loop_lost")]
    assert counts == [1, 1]


async def test_what_is_printed_in_a_process_appears_though_an_earlier_task_has_closed_the_streams(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect(PRINTED)
    client = Client(http, await services.start(*FLAGS, "--slots", "1"))

    tasks = [
        await client.post(action)
        for _ in range(3)
        for action in ("close_streams_in_process", "print_in_process")
    ]
    await when(tasks, client.service, "task_completed")
    await client.service.stop()

    printed = [event["text"] for event in client.service.events.select(PRINTED)]
    assert printed == ["printed in a process"] * 3


async def test_what_is_printed_in_a_process_appears_though_the_app_has_closed_the_streams(
    services: Services, http: aiohttp.ClientSession
) -> None:
    services.expect(PRINTED)
    (services.folder / "closing.py").write_text(
        "import os\nfrom tests.system.harmful import app\nos.closerange(0, 3)\n"
    )
    client = Client(http, await services.start(*FLAGS, "--app", "closing:app"))

    tasks = [await client.post("print_in_process") for _ in range(3)]
    await when(tasks, client.service, "task_completed")
    await client.service.stop()

    printed = [event["text"] for event in client.service.events.select(PRINTED)]
    assert printed == ["printed in a process"] * 3
