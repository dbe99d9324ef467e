"""Cancelling tasks, and deleting those that have ended."""

import json

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.commands import Enqueue, GetTask
from taskqueue.errors import ActorUnavailable, AskTimeout, StorageUnavailable
from taskqueue.rules.tasks import AttemptOutcome, Cancel, Complete, DeadLetter, Settlement, Task
from tests.gateway.scripted import ScriptedService

NOBODY = "0197a4c8-0000-7000-8000-000000000000"
DEAD = DeadLetter(reason="no use", outcome=AttemptOutcome.FAILED, error="ValueError: no")
ENDS = [(Complete(result="1"), "completed"), (DEAD, "dead"), (Cancel(reason="no"), "cancelled")]


async def queue(service: ScriptedService) -> str:
    task = service.app.prepare("uppercase", b'{"text": "hi"}')
    await service(Enqueue(tasks=(task,)))
    return task.id


async def task_of(service: ScriptedService, task_id: str) -> Task:
    history = await service(GetTask(task_id=task_id))
    assert history is not None
    return history.task


async def cancel(
    http: ClientSession, task_id: str, body: bytes = b"", **headers: str
) -> ClientResponse:
    return await http.post(f"/tasks/{task_id}/cancel", data=body, headers=headers)


# --- cancelling ----------------------------------------------------------------------------------


async def test_a_task_that_waits_is_cancelled_at_once(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)

    answer = await cancel(http, task_id, b'{"reason": "not wanted"}')

    task = await task_of(service, task_id)
    assert (answer.status, await answer.json()) == (200, {"id": task_id, "status": "cancelled"})
    assert (task.status, task.reason) == ("cancelled", "not wanted")


async def test_a_task_that_runs_is_asked_to_end(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)
    await service.start_next()

    answer = await cancel(http, task_id, b'{"reason": "not wanted"}')

    task = await task_of(service, task_id)
    assert (answer.status, await answer.json()) == (202, {"id": task_id, "status": "cancelling"})
    assert (task.status, task.cancel_reason) == ("running", "not wanted")


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_a_reason_need_not_be_given(
    http: ClientSession, service: ScriptedService, body: bytes
) -> None:
    task_id = await queue(service)

    answer = await cancel(http, task_id, body)

    assert answer.status == 200
    assert (await task_of(service, task_id)).reason == "asked for over HTTP"


@pytest.mark.parametrize(("end", "status"), ENDS)
async def test_a_task_that_has_ended_is_not_cancelled_and_its_status_named(
    http: ClientSession, service: ScriptedService, end: Settlement, status: str
) -> None:
    task_id = await queue(service)
    await service.settle_next(end)

    answer = await cancel(http, task_id)

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (409, "task has ended")
    assert status in problem["detail"]
    assert (await task_of(service, task_id)).status == status


@pytest.mark.parametrize("task_id", [NOBODY, "7", "%00"])
async def test_a_task_that_is_not_there_is_neither_cancelled_nor_deleted(
    http: ClientSession, task_id: str
) -> None:
    cancelled = await cancel(http, task_id)
    deleted = await http.delete(f"/tasks/{task_id}")

    for answer in (cancelled, deleted):
        assert (answer.status, (await answer.json())["error"]) == (404, "task not found")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"[]", 422, ""),
        (b'{"reason": ""}', 422, "reason"),
        (b'{"reason": 7}', 422, "reason"),
        (b'{"reason": null}', 422, "reason"),
        (json.dumps({"reason": "x" * 1001}).encode(), 422, "reason"),
        (b'{"raeson": "typing"}', 422, "raeson"),
    ],
)
async def test_a_body_that_is_not_understood_cancels_nothing(
    http: ClientSession, service: ScriptedService, body: bytes, status: int, field: str | None
) -> None:
    task_id = await queue(service)

    answer = await cancel(http, task_id, body)

    faults = (await answer.json()).get("faults", [])
    assert answer.status == status
    assert [fault["field"] for fault in faults] == ([] if field is None else [field])
    assert (await task_of(service, task_id)).status == "queued"


async def test_a_page_of_another_site_cancels_nothing(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)

    answer = await cancel(http, task_id, Origin="http://elsewhere.example")

    assert answer.status == 403
    assert (await task_of(service, task_id)).status == "queued"


# --- deleting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [end for end, _ in ENDS])
async def test_a_task_that_has_ended_is_deleted_with_its_history(
    http: ClientSession, service: ScriptedService, end: Settlement
) -> None:
    task_id = await queue(service)
    await service.settle_next(end)

    answer = await http.delete(f"/tasks/{task_id.upper()}")

    assert (answer.status, await answer.read()) == (204, b"")
    assert (await http.get(f"/tasks/{task_id}")).status == 404


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_a_task_that_has_not_ended_is_not_deleted(
    http: ClientSession, service: ScriptedService, status: str
) -> None:
    task_id = await queue(service)
    if status == "running":
        await service.start_next()

    answer = await http.delete(f"/tasks/{task_id}")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (409, "task has not ended")
    assert problem["detail"] == f"It is {status}; cancel it first."
    assert (await task_of(service, task_id)).status == status


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://elsewhere.example"}, {"Host": "elsewhere.example"}]
)
async def test_a_page_of_another_site_deletes_nothing(
    http: ClientSession, service: ScriptedService, headers: dict[str, str]
) -> None:
    task_id = await queue(service)
    await service.settle_next(DEAD)

    answer = await http.delete(f"/tasks/{task_id}", headers=headers)

    assert answer.status == 403
    assert (await task_of(service, task_id)).status == "dead"


# --- both ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault", [StorageUnavailable("disk full"), ActorUnavailable("queue"), AskTimeout("queue", 5.0)]
)
async def test_who_cannot_be_served_now_is_invited_back(
    http: ClientSession, service: ScriptedService, fault: Exception
) -> None:
    task_id = await queue(service)
    service.fault = fault

    cancelled = await cancel(http, task_id)
    deleted = await http.delete(f"/tasks/{task_id}")

    assert (await cancelled.json())["error"] == "failed to cancel task"
    assert (await deleted.json())["error"] == "failed to delete task"
    for answer in (cancelled, deleted):
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
