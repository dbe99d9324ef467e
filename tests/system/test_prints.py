"""What handlers print stands in the log beside the service's own lines."""

import aiohttp
import pytest

from taskqueue.testing.process import PRINTED
from tests.system.services import Client, Services, when

TASKS, LINES = 12, 100


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_what_handlers_print_tears_no_line(
    services: Services, http: aiohttp.ClientSession, unbuffered: str
) -> None:
    services.expect(PRINTED)
    service = await services.start(
        *("--app", "tests.system.app:app", "--consumers", "2", "--slots", "2"),
        env={"PYTHONUNBUFFERED": unbuffered},
    )
    client = Client(http, service)

    tasks = [
        await client.post(action, **data)
        for _ in range(TASKS)
        for action, data in (
            ("say", {"times": LINES}),
            ("say_in_process", {"times": LINES}),
            ("quick", {}),
        )
    ]
    await when(tasks, service, "task_completed")
    code = await service.stop()

    printed = [event["text"] for event in service.events.select(PRINTED)]
    assert set(printed) == {"said by a handler"}
    assert len(printed) == 2 * TASKS * LINES
    assert code == 0
