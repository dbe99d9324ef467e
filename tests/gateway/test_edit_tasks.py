"""Changing a task that waits, running it at once, and cloning it."""

from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.commands import Enqueue, GetTask
from taskqueue.errors import AskTimeout
from taskqueue.rules.options import NO_CHOICE, Options
from taskqueue.rules.tasks import (
    AttemptOutcome,
    Complete,
    DeadLetter,
    NewTask,
    Requeue,
    Status,
    Task,
)
from tests.gateway.scripted import NOW, ScriptedService

NOBODY = "0197a4c8-0000-7000-8000-000000000000"
LATER = NOW + 3600.0
DEAD = DeadLetter(reason="no use", outcome=AttemptOutcome.FAILED, error="ValueError: no")
AGAIN = Requeue(run_at=LATER, outcome=AttemptOutcome.FAILED, error="OSError: gone")


async def queue(service: ScriptedService, options: Options = NO_CHOICE) -> str:
    task = service.app.prepare("uppercase", b'{"text": "hi"}', options=options)
    await service(Enqueue(tasks=(task,)))
    return task.id


async def task_of(service: ScriptedService, task_id: str) -> Task:
    history = await service(GetTask(task_id=task_id))
    assert history is not None
    task: Task = history.task
    return task


async def patch(http: ClientSession, task_id: str, body: object) -> ClientResponse:
    return await http.patch(f"/tasks/{task_id}", json=body)


async def problem_of(answer: ClientResponse) -> tuple[int, str]:
    return answer.status, (await answer.json())["error"]


def faults(problem: dict[str, Any]) -> dict[str, str]:
    return {fault["field"]: fault["message"] for fault in problem["faults"]}


# --- editing -------------------------------------------------------------------------------------


async def test_data_and_options_of_a_waiting_task_are_changed(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service, Options(priority=7))

    body = {"data": {"text": "ho"}, "priority": 1, "max_attempts": 9.0, "delay_s": 60}
    answer = await patch(http, task_id, body)

    shown = await answer.json()
    assert answer.status == 200
    assert shown["payload"] == {"action": "uppercase", "data": {"text": "ho"}}
    assert (shown["priority"], shown["max_attempts"]) == (1, 9)
    assert (shown["run_at"], shown["status"]) == (NOW + 60, "scheduled")
    before = {"payload": None, "priority": 7, "max_attempts": 5, "run_at": NOW}
    assert shown["edits"] == [{"at": NOW, "before": before, "who": "local"}]


async def test_what_an_edit_leaves_out_or_gives_as_null_stays(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service, Options(priority=7, max_attempts=3))
    before = await task_of(service, task_id)

    answer = await patch(http, task_id, {"priority": None})

    assert answer.status == 200
    assert "edits" not in await answer.json()
    assert await task_of(service, task_id) == before


async def test_an_instant_may_be_written_as_a_date(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)

    answer = await patch(http, task_id, {"run_at": "2100-01-01T00:00:00Z"})

    assert (await answer.json())["run_at"] == 4_102_444_800.0


@pytest.mark.parametrize(
    ("body", "faulty"),
    [
        ({"data": {"text": 7}}, {"data.text"}),
        ({"data": {"colour": "red"}}, {"data.colour"}),
        ({"data": None}, {"data"}),
        ({"data": {"text": 7}, "priority": 256}, {"data.text", "priority"}),
        ({"max_attempts": 0}, {"max_attempts"}),
        ({"priority": "high", "max_attempts": 1.5}, {"priority", "max_attempts"}),
        ({"delay_s": 1, "run_at": NOW}, {"run_at"}),
        ({"queue": "mail", "unique_key": "k", "action": "send"}, {"queue", "unique_key", "action"}),
        ({}, {""}),
        ([], {""}),
    ],
)
async def test_a_change_that_a_new_task_could_not_have_is_refused_by_field(
    http: ClientSession, service: ScriptedService, body: object, faulty: set[str]
) -> None:
    task_id = await queue(service)
    before = await task_of(service, task_id)

    answer = await patch(http, task_id, body)

    assert answer.status == 422
    assert faults(await answer.json()).keys() == faulty
    assert await task_of(service, task_id) == before


async def test_data_for_an_action_that_is_gone_is_refused_and_options_are_not(
    http: ClientSession, service: ScriptedService
) -> None:
    gone = NewTask(id=NOBODY, action="gone", payload='{"action":"gone","data":{}}')
    await service(Enqueue(tasks=(gone,)))

    data = await patch(http, NOBODY, {"data": {}})
    priority = await patch(http, NOBODY, {"priority": 2})

    assert await problem_of(data) == (422, "unknown action")
    assert priority.status == 200


async def test_a_task_that_is_held_or_has_ended_is_a_conflict(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)
    await service.start_next()
    running = [await patch(http, task_id, {"priority": 1}), await run_now(http, task_id)]
    other = await queue(service)
    await service.settle_next(Complete(result="1"))
    ended = [await patch(http, other, {"priority": 1}), await run_now(http, other)]

    problems = [await problem_of(each) for each in (*running, *ended)]

    assert problems == [(409, "task is held")] * 2 + [(409, "task has ended")] * 2


async def test_max_attempts_below_those_made_are_a_conflict(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)
    await service.settle_next(AGAIN)

    answer = await patch(http, task_id, {"max_attempts": 1})

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (409, "attempts are used up")
    assert problem["detail"].startswith("1 attempts were made")


async def test_a_task_that_is_not_there_is_not_found(http: ClientSession) -> None:
    answers = [
        await patch(http, NOBODY, {"priority": 1}),
        await run_now(http, NOBODY),
        await http.post(f"/tasks/{NOBODY}/clone"),
    ]

    assert [each.status for each in answers] == [404] * 3


# --- running at once -----------------------------------------------------------------------------


async def run_now(http: ClientSession, task_id: str) -> ClientResponse:
    return await http.post(f"/tasks/{task_id}/run-now")


async def test_a_scheduled_task_is_due_at_once(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service, Options(run_at=LATER))

    answer = await run_now(http, task_id)

    task = await task_of(service, task_id)
    assert (answer.status, await answer.json()) == (202, {"id": task_id, "status": "queued"})
    assert (task.status, task.run_at) == (Status.QUEUED, NOW)


async def test_a_task_between_two_attempts_is_due_at_once(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)
    await service.settle_next(AGAIN)

    answer = await run_now(http, task_id)

    task = await task_of(service, task_id)
    assert (answer.status, await answer.json()) == (202, {"id": task_id, "status": "retrying"})
    assert (task.status, task.run_at) == (Status.RETRYING, NOW)


async def test_a_task_that_is_due_keeps_its_place(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service, Options(run_at=NOW - 60))

    answer = await run_now(http, task_id)

    assert answer.status == 202
    assert (await task_of(service, task_id)).run_at == NOW - 60


# --- cloning -------------------------------------------------------------------------------------


async def test_a_clone_has_the_same_data_and_options_and_no_key(
    http: ClientSession, service: ScriptedService
) -> None:
    options = Options(queue="mail", priority=3, max_attempts=2, unique_key="k")
    task_id = await queue(service, options)
    await service.settle_next(DEAD, "mail")

    answer = await http.post(f"/tasks/{task_id}/clone")

    receipt = await answer.json()
    original, clone = await task_of(service, task_id), await task_of(service, receipt["id"])
    assert (answer.status, receipt["status"]) == (202, "queued")
    assert clone.payload == original.payload
    assert (clone.queue, clone.priority, clone.max_attempts) == ("mail", 3, 2)
    assert (clone.unique_key, clone.attempt, clone.run_at) == (None, 0, NOW)
    assert (original.status, original.unique_key) == (Status.DEAD, "k")


async def test_a_clone_of_a_scheduled_task_is_scheduled(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service, Options(run_at=LATER))

    receipt = await (await http.post(f"/tasks/{task_id}/clone")).json()

    assert receipt["status"] == "scheduled"
    assert (await task_of(service, receipt["id"])).run_at == LATER


async def test_a_clone_that_is_asked_for_again_under_its_key_is_the_same(
    http: ClientSession, service: ScriptedService
) -> None:
    first, second = await queue(service), await queue(service)
    key = {"Idempotency-Key": "c"}
    await service.settle_next(AGAIN)

    once = await http.post(f"/tasks/{first}/clone", headers=key)
    again = await http.post(f"/tasks/{first}/clone", headers=key)
    other = await http.post(f"/tasks/{second}/clone", headers=key)

    assert (await once.json())["id"] == (await again.json())["id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await problem_of(other) == (422, "idempotency key reused")


async def test_a_clone_of_an_action_that_is_gone_is_refused(
    http: ClientSession, service: ScriptedService
) -> None:
    gone = NewTask(id=NOBODY, action="gone", payload='{"action":"gone","data":{}}')
    await service(Enqueue(tasks=(gone,)))

    answer = await http.post(f"/tasks/{NOBODY}/clone")

    assert await problem_of(answer) == (422, "unknown action")


async def test_while_the_service_is_down_nothing_is_changed(
    http: ClientSession, service: ScriptedService
) -> None:
    task_id = await queue(service)
    service.fault = AskTimeout("queue", 5.0)

    answers = [
        await patch(http, task_id, {"priority": 1}),
        await run_now(http, task_id),
        await http.post(f"/tasks/{task_id}/clone"),
    ]

    assert [(each.status, each.headers["Retry-After"]) for each in answers] == [(503, "1")] * 3
