"""GET /tasks/{id}?wait_s=…: the answer comes when the task has ended."""

import asyncio
import socket
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.commands import CancelTask, Enqueue
from taskqueue.events import events
from taskqueue.http.server.server import HttpServer
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.tasks import Complete
from tests.forked.service import ForkedService
from tests.gateway.scripted import ScriptedService
from tests.gateway.wire import request, wire_to

LIMIT_S = 10.0  # what a test waits for at most, for anything
LONG_S = 60  # as long as a client may wait, and longer than a test may take


async def enqueue(service: ScriptedService) -> str:
    task = service.app.prepare("uppercase")
    await service(Enqueue(tasks=(task,)))
    return task.id


async def complete(service: ScriptedService) -> None:
    """Complete the next task, as the queue actor does: the event comes after the commit."""
    task_id = await service.settle_next(Complete(result='"HI"'))
    await asyncio.to_thread(events.info, "task_completed", task_id=task_id)


async def until(waits: TaskWaits, count: int) -> None:
    """Wait until so many clients wait."""
    async with asyncio.timeout(LIMIT_S):
        while waits.count != count:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)


def wait_for(http: ClientSession, task_id: str, wait_s: float) -> asyncio.Task[ClientResponse]:
    async def ask() -> ClientResponse:
        return await http.get(f"/tasks/{task_id}?wait_s={wait_s}")

    return asyncio.create_task(ask())


async def status_of(waiting: asyncio.Task[ClientResponse]) -> str:
    async with asyncio.timeout(LIMIT_S):
        task = await (await waiting).json()
    return str(task["status"])


async def test_all_clients_that_wait_for_a_task_are_answered_when_it_ends(
    http: ClientSession, service: ScriptedService, waits: TaskWaits
) -> None:
    task_id = await enqueue(service)
    waiting = [wait_for(http, task_id, LONG_S) for _ in range(2)]
    await until(waits, 2)

    await complete(service)

    assert [await status_of(each) for each in waiting] == ["completed", "completed"]
    assert waits.count == 0


async def test_the_end_of_another_task_answers_no_client(
    http: ClientSession, service: ScriptedService, waits: TaskWaits
) -> None:
    other, task_id = await enqueue(service), await enqueue(service)
    waiting = wait_for(http, task_id, LONG_S)
    await until(waits, 1)

    events.info("task_completed", task_id=other)
    await http.get("/health")

    assert waits.count == 1
    events.info("task_cancelled", task_id=task_id)
    assert await status_of(waiting) == "queued"  # its row is what counts


async def test_a_task_that_has_ended_is_shown_at_once(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await enqueue(service)
    await service(CancelTask(task_id=task_id, reason="not wanted"))

    assert await status_of(wait_for(http, task_id, LONG_S)) == "cancelled"


async def test_a_task_that_ends_while_it_is_read_is_not_missed(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await enqueue(service)
    service.on_read = lambda: complete(service)

    assert await status_of(wait_for(http, task_id, LONG_S)) == "completed"


async def test_a_task_that_does_not_end_in_time_is_shown_as_it_is(
    http: ClientSession, service: ScriptedService, waits: TaskWaits
) -> None:
    task_id = await enqueue(service)

    assert await status_of(wait_for(http, task_id, 0.02)) == "queued"
    assert waits.count == 0


async def test_a_task_that_does_not_exist_is_not_waited_for(http: ClientSession) -> None:
    answer = await http.get("/tasks/0197a4c8-0000-7000-8000-000000000000?wait_s=60")

    assert answer.status == 404


@pytest.mark.parametrize("hang_up", ["close", "abort"])
async def test_a_client_that_leaves_is_not_waited_for(
    http: ClientSession,
    service: ScriptedService,
    waits: TaskWaits,
    sock: socket.socket,
    hang_up: str,
) -> None:
    task_id = await enqueue(service)

    async with wire_to(sock) as wire:
        await wire.send(request("GET", f"/tasks/{task_id}?wait_s={LONG_S}"))
        await until(waits, 1)
        if hang_up == "abort":
            wire.writer.transport.abort()
    await until(waits, 0)


async def test_so_many_may_wait_that_others_find_a_connection(
    http: ClientSession, service: ScriptedService, waits: TaskWaits
) -> None:
    task_id = await enqueue(service)
    waiting = [wait_for(http, task_id, LONG_S) for _ in range(3)]
    await until(waits, 3)

    one_too_many = await http.get(f"/tasks/{task_id}?wait_s=1")
    without = await http.get(f"/tasks/{task_id}")

    assert (one_too_many.status, one_too_many.headers["Retry-After"]) == (503, "1")
    assert (await one_too_many.json())["error"] == "too many waits"
    assert without.status == 200
    await complete(service)
    assert {await status_of(each) for each in waiting} == {"completed"}


async def test_a_server_that_stops_answers_those_who_wait(
    http: ClientSession, service: ScriptedService, waits: TaskWaits, server: HttpServer
) -> None:
    waiting = wait_for(http, await enqueue(service), LONG_S)
    await until(waits, 1)

    await server.close()

    assert await status_of(waiting) == "queued"


@pytest.mark.parametrize("text", ["-1", "61", "soon", "nan", "inf", "", "1_0", "0x1", "%201"])
async def test_a_time_that_cannot_be_waited_is_refused(
    http: ClientSession, service: ScriptedService, text: str
) -> None:
    answer = await http.get(f"/tasks/{await enqueue(service)}?wait_s={text}")

    assert answer.status == 422
    assert (await answer.json())["faults"][0]["field"] == "wait_s"


async def test_a_real_service_answers_when_the_handler_has_ended(tmp_path: Path) -> None:
    async with (
        ForkedService(tmp_path, "--demo-work-s", "0.3") as process,
        ClientSession(base_url=process.url) as http,
    ):
        posted = await http.post("/tasks", json={"action": "uppercase", "data": {"text": "hi"}})
        task_id = (await posted.json())["id"]

        shown = await (await http.get(f"/tasks/{task_id}?wait_s={LONG_S}")).json()

    assert (shown["status"], shown["result"]) == ("completed", {"output": "HI"})
