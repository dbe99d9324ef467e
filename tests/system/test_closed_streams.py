"""Handlers close the standard streams of the service, which opens other descriptors then."""

import aiohttp
import pytest

from tests.system.services import Client, Services, when

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
