"""A process may have only so many files open, and stays within that."""

from typing import ClassVar

import aiohttp

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Client, Services, until


class Limited(ServiceProcess):
    """A service that may have 1,024 descriptors, as many login shells give."""

    under: ClassVar[tuple[str, ...]] = ("sh", "-c", 'ulimit -n 1024 && exec "$@"', "sh")


async def test_consumers_for_which_there_are_no_descriptors_are_refused(
    services: Services, http: aiohttp.ClientSession
) -> None:
    service = await services.start(kind=Limited)
    client = Client(http, service)

    async def resize(count: int) -> tuple[int, str]:
        url = f"{service.url}/supervision/consumers"
        async with http.put(url, json={"count": count}) as answer:
            return answer.status, await answer.text()

    refused, why = await resize(1024)
    accepted, _ = await resize(40)
    await until(lambda: client.get("/queues"), lambda a: a.body["queues"][0]["consumers"] == 40)
    task_id = await client.post("uppercase", text="hi")
    await service.wait_for("task_completed", task_id=task_id)

    assert (refused, accepted) == (422, 202)
    assert "1024 consumers need" in why
    assert '"field":"count"' in why
    assert service.events.select("child_exited", child_id="consumers") == []


async def test_a_service_for_whose_consumers_there_are_no_descriptors_does_not_start(
    services: Services,
) -> None:
    service = await services.launch("--consumers", "1000", kind=Limited)

    assert await service.wait() == 2
    complaint = await service.complaint()
    assert complaint.startswith("taskqueue: consumers: 1000 consumers need 4000 file")
    assert complaint.count("\n") == 1
