"""Many dead tasks at once: brought back, or deleted."""

import json
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.commands import Enqueue, GetTask
from taskqueue.errors import ActorUnavailable
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter
from tests.gateway.scripted import ScriptedService

DEAD = DeadLetter(reason="no use", outcome=AttemptOutcome.FAILED, error="ValueError: no")
NOBODY = "0197a4c8-0000-7000-8000-000000000000"
CALLS = {"/dead/redrive": "queued", "/dead/delete": None}  # and how a task stands after it


async def bury(
    service: ScriptedService, action: str = "uppercase", queue: str | None = None
) -> str:
    """Have a task die; return its id."""
    task = service.app.prepare(action, b"{}", options=Options(queue=queue))
    await service(Enqueue(tasks=(task,)))
    return await service.settle_next(DEAD, queue=task.queue)


async def complete(service: ScriptedService) -> str:
    await service(Enqueue(tasks=(service.app.prepare("uppercase", b"{}"),)))
    return await service.settle_next(Complete(result="1"))


async def statuses(service: ScriptedService, *task_ids: str) -> list[str | None]:
    """How the tasks stand; None for one that is gone."""
    histories = [await service(GetTask(task_id=task_id)) for task_id in task_ids]
    return [None if history is None else str(history.task.status) for history in histories]


async def call(http: ClientSession, path: str, body: object, **headers: str) -> ClientResponse:
    json_type = {"Content-Type": "application/json"}
    return await http.post(path, data=json.dumps(body), headers=json_type | headers)


def fields(problem: dict[str, Any]) -> set[str]:
    return {fault["field"] for fault in problem["faults"]}


async def test_all_dead_tasks_are_queued_again(
    http: ClientSession, service: ScriptedService
) -> None:
    dead = [await bury(service), await bury(service, "send")]
    completed = await complete(service)

    answer = await call(http, "/dead/redrive", {"all": True})

    assert (answer.status, await answer.json()) == (202, {"redriven": 2})
    assert await statuses(service, *dead, completed) == ["queued", "queued", "completed"]


async def test_all_dead_tasks_are_deleted_and_no_others(
    http: ClientSession, service: ScriptedService
) -> None:
    dead = [await bury(service), await bury(service, "send")]
    completed = await complete(service)

    answer = await call(http, "/dead/delete", {"all": True})

    assert (answer.status, await answer.json()) == (200, {"deleted": 2})
    assert await statuses(service, *dead, completed) == [None, None, "completed"]


@pytest.mark.parametrize(
    ("wish", "met"),
    [
        ({"action": "uppercase"}, {"upper", "upper_mail"}),
        ({"queue": "mail"}, {"upper_mail", "mail"}),
        ({"action": "uppercase", "queue": "mail"}, {"upper_mail"}),
        ({"action": "lowercase"}, set()),
    ],
)
@pytest.mark.parametrize("path", CALLS)
async def test_dead_tasks_are_met_by_action_and_queue(
    http: ClientSession,
    service: ScriptedService,
    wish: dict[str, str],
    met: set[str],
    path: str,
) -> None:
    dead = {
        "upper": await bury(service),
        "upper_mail": await bury(service, queue="mail"),
        "mail": await bury(service, "send"),
    }

    answer = await call(http, path, wish)

    assert list((await answer.json()).values()) == [len(met)]
    for name, task_id in dead.items():
        assert await statuses(service, task_id) == [CALLS[path] if name in met else "dead"]


@pytest.mark.parametrize("path", CALLS)
async def test_of_the_tasks_that_are_named_only_the_dead_are_met_and_each_once(
    http: ClientSession, service: ScriptedService, path: str
) -> None:
    named, other, completed = await bury(service), await bury(service), await complete(service)
    wish = {"ids": [named, completed, NOBODY, named.upper()]}

    answer = await call(http, path, wish)

    assert list((await answer.json()).values()) == [1]
    assert await statuses(service, named, other, completed) == [CALLS[path], "dead", "completed"]


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("wish", "faulty"),
    [
        ({}, {"all"}),
        ({"all": False}, {"all"}),
        ({"all": 1}, {"all"}),
        ({"all": True, "action": "uppercase"}, {"all"}),
        ({"ids": [NOBODY], "queue": "mail"}, {"ids"}),
        ({"ids": []}, {"ids"}),
        ({"ids": NOBODY}, {"ids"}),
        ({"ids": [NOBODY] * 1001}, {"ids"}),
        ({"ids": [NOBODY, "7"]}, {"ids[1]"}),
        ({"action": "", "queue": ""}, {"action", "queue"}),
        ({"action": 7}, {"action"}),
        ({"actoin": "uppercase", "statsu": "dead"}, {"actoin", "statsu"}),
        ([], {""}),
    ],
)
async def test_a_wish_that_is_not_clear_does_nothing_and_all_its_faults_are_named(
    http: ClientSession, service: ScriptedService, path: str, wish: object, faulty: set[str]
) -> None:
    dead = await bury(service)

    answer = await call(http, path, wish)

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "invalid request")
    assert fields(problem) == faulty
    assert await statuses(service, dead) == ["dead"]


@pytest.mark.parametrize("path", CALLS)
async def test_an_empty_body_is_not_all(
    http: ClientSession, service: ScriptedService, path: str
) -> None:
    dead = await bury(service)

    answer = await http.post(path, headers={"Content-Type": "application/json"})

    assert answer.status == 400
    assert await statuses(service, dead) == ["dead"]


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://elsewhere.example"}, 403),
        ({"Host": "elsewhere.example"}, 403),
        ({"Content-Type": "text/plain"}, 415),
    ],
)
async def test_a_page_of_another_site_does_nothing(
    http: ClientSession,
    service: ScriptedService,
    path: str,
    headers: dict[str, str],
    status: int,
) -> None:
    dead = await bury(service)

    answer = await call(http, path, {"all": True}, **headers)

    assert answer.status == status
    assert await statuses(service, dead) == ["dead"]


@pytest.mark.parametrize("path", CALLS)
@pytest.mark.parametrize("wish", [{"all": True}, {"ids": [NOBODY]}])
async def test_who_cannot_be_served_now_may_send_the_same_again(
    http: ClientSession, service: ScriptedService, path: str, wish: object
) -> None:
    service.fault = ActorUnavailable("queue")

    answer = await call(http, path, wish)

    problem = await answer.json()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert "You can send the same request again." in problem["detail"]
