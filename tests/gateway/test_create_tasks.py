"""POST /tasks."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.errors import ActorUnavailable, AskTimeout, StorageUnavailable
from taskqueue.http.bodies import MAX_BODY_BYTES
from taskqueue.http.tasks.requests import MAX_TASKS
from taskqueue.rules.tasks import Task
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, ScriptedService

NOBODY = "0197a4c8-0000-7000-8000-000000000000"
PATIENCE_S = 20.0


async def stored(service: ScriptedService) -> tuple[Task, ...]:
    """Everything that was accepted, oldest first."""
    return tuple(reversed(await service.storage.find(limit=MAX_TASKS, now=NOW)))


async def post(http: ClientSession, body: bytes | str) -> ClientResponse:
    return await http.post("/tasks", data=body, headers={"Content-Type": "application/json"})


def fields(problem: dict[str, Any]) -> set[str]:
    return {fault["field"] for fault in problem["faults"]}


async def test_a_task_is_answered_with_its_id_once_it_is_stored(
    http: ClientSession, service: ScriptedService
) -> None:
    body = '{"action": "uppercase", "data": {"text": "hi"}}'

    answer = await post(http, body)

    [task] = await stored(service)
    assert answer.status == 202
    assert answer.content_type == "application/json"
    assert await answer.json() == {"id": task.id, "status": "queued"}
    assert json.loads(task.payload) == json.loads(body)


async def test_data_travels_byte_for_byte(http: ClientSession, service: ScriptedService) -> None:
    data = '{ "text" :"\\u00e4 / \\/ é" }'

    await post(http, f'{{"action":"uppercase","data":{data}}}')

    [task] = await stored(service)
    assert data in task.payload


async def test_data_and_content_type_may_be_left_out(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await http.post("/tasks", data=b'{"action":"uppercase"}')

    [task] = await stored(service)
    assert answer.status == 202
    assert json.loads(task.payload) == {"action": "uppercase", "data": {}}


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        ('"priority": 3', "priority", 3),
        ('"priority": 3.0', "priority", 3),
        ('"max_attempts": 1', "max_attempts", 1),
        ('"queue": "mail"', "queue", "mail"),
        ('"delay_s": 2.5', "run_at", NOW + 2.5),
        ('"run_at": 1900000000', "run_at", 1_900_000_000.0),
        ('"run_at": "2030-03-17T17:46:40Z"', "run_at", 1_900_000_000.0),
        ('"run_at": "2030-03-17T18:46:40+01:00"', "run_at", 1_900_000_000.0),
        ('"priority": null', "priority", 0),
    ],
)
async def test_an_option_beside_the_action_is_obeyed(
    http: ClientSession, service: ScriptedService, option: str, name: str, value: object
) -> None:
    answer = await post(http, f'{{"action":"uppercase",{option}}}')

    [task] = await stored(service)
    assert answer.status == 202, await answer.text()
    assert getattr(task, name) == value


@pytest.mark.parametrize(
    ("option", "status"),
    [
        ('"delay_s": 0.5', "scheduled"),
        ('"delay_s": 0', "queued"),
        (f'"run_at": {NOW}', "queued"),
        (f'"run_at": {NOW + 0.001}', "scheduled"),
        ('"run_at": "1999-12-31T23:59:59Z"', "queued"),
    ],
)
async def test_a_task_is_scheduled_if_its_run_at_lies_ahead(
    http: ClientSession, option: str, status: str
) -> None:
    answer = await post(http, f'{{"action":"uppercase",{option}}}')

    assert (await answer.json())["status"] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"action": "uppercase"',
        b'{"action": "uppercase"} {}',
        b'{"action": 1, "data":',
        b'[{"action": 1},',
        b"action=uppercase",
        b'{"action": "uppercase", "data": {"x": NaN}}',
        b"NaN",
        b'{"action": "upper\xffcase"}',
        b'{"action": "uppercase", "data": {"text": "\xff"}}',
        '{"action": "uppercase"}'.encode("utf-16"),
        b"[" * 100_000 + b"]" * 100_000,
        b'{"action": "uppercase", "data": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    ],
    ids=lambda body: repr(body[:45]),
)
async def test_what_is_no_json_is_said_to_be_none(http: ClientSession, body: bytes) -> None:
    answer = await post(http, body)

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (400, "invalid JSON")


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        "null",
        "5",
        '"uppercase"',
        '{"data": {}}',
        '{"action": null}',
        '{"action": ""}',
        '{"action": 7}',
        '{"action": ["uppercase"]}',
        '{"action": "", "bogus": 1}',
    ],
)
async def test_a_task_without_an_action_is_refused(
    http: ClientSession, service: ScriptedService, body: str
) -> None:
    answer = await post(http, body)

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (400, "action required")
    assert await stored(service) == ()


async def test_an_unknown_action_is_answered_with_those_there_are(http: ClientSession) -> None:
    answer = await post(http, '{"action":"lowercase"}')

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "unknown action")
    assert fields(problem) == {"action"}
    assert "uppercase" in problem["faults"][0]["message"]


async def test_data_that_does_not_fit_is_answered_with_every_field(http: ClientSession) -> None:
    answer = await post(http, '{"action":"uppercase","data":{"text":1,"size":2},"priority":-1}')

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "invalid task")
    assert fields(problem) == {"data.text", "data.size", "priority"}


async def test_options_that_cannot_be_read_are_all_named(
    http: ClientSession, service: ScriptedService
) -> None:
    body = {
        "action": "uppercase",
        "priority": "high",
        "max_attempts": 1.5,
        "delay_s": True,
        "run_at": "2030-01-01T00:00:00",
        "queue": 7,
        "proirity": 1,
    }

    answer = await post(http, json.dumps(body))

    assert answer.status == 422
    assert fields(await answer.json()) == set(body) - {"action"}
    assert await stored(service) == ()


async def test_a_number_beyond_all_ranges_is_a_fault_and_not_a_surprise(
    http: ClientSession,
) -> None:
    body = '{"action":"uppercase","delay_s":1e999,"priority":99999999999999999999999}'

    answer = await post(http, body)

    assert answer.status == 422
    assert "delay_s" in fields(await answer.json())


async def test_a_payload_above_its_limit_is_refused(http: ClientSession) -> None:
    text = "x" * (1 << 20)
    body = json.dumps({"action": "uppercase", "data": {"text": text}})

    answer = await http.post("/tasks", data=io.BytesIO(body.encode()))

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (413, "task too large")


async def test_a_body_above_its_limit_is_refused_and_the_door_stays_open(
    http: ClientSession,
) -> None:
    answer = await http.post("/tasks", data=io.BytesIO(b" " * (MAX_BODY_BYTES + 1)))
    problem = await answer.json()
    next_answer = await post(http, '{"action":"uppercase"}')

    assert (answer.status, problem["error"]) == (413, "request too large")
    assert next_answer.status == 202


@pytest.mark.parametrize(
    "fault",
    [
        StorageUnavailable("disk full"),
        ActorUnavailable("queue"),
        AskTimeout("queue", 5.0),
    ],
)
async def test_a_task_that_cannot_be_queued_now_is_invited_back(
    http: ClientSession, service: ScriptedService, fault: Exception
) -> None:
    service.fault = fault

    answer = await post(http, '{"action":"uppercase"}')

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (503, "failed to queue task")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("/tasks", "failed to queue task"),
        ("/tasks/019ff000-0000-7000-8000-000000000000/cancel", "failed to cancel task"),
        ("/dead/redrive", "failed to queue tasks"),
        ("/dead/delete", "failed to delete tasks"),
    ],
)
async def test_what_cannot_be_stored_now_is_refused_before_its_body_is_read(
    http: ClientSession, service: ScriptedService, path: str, error: str
) -> None:
    service.availability.unavailable = "the disk hangs"
    never_sent = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await never_sent.wait()

    headers = {"Content-Type": "application/json"}
    async with asyncio.timeout(PATIENCE_S), http.post(path, data=body(), headers=headers) as answer:
        problem = await answer.json()

    assert (answer.status, problem["error"]) == (503, error)
    assert answer.headers["Retry-After"] == "1"


async def test_a_page_of_another_site_can_queue_nothing(
    http: ClientSession, service: ScriptedService
) -> None:
    headers = {"Origin": "http://elsewhere.example", "Content-Type": "text/plain"}

    answer = await http.post("/tasks", data=b'{"action":"uppercase"}', headers=headers)

    assert answer.status == 403
    assert await stored(service) == ()


# --- many at once --------------------------------------------------------------------------------


async def test_an_array_is_queued_as_a_whole_in_its_order(
    http: ClientSession, service: ScriptedService
) -> None:
    body: list[dict[str, Any]] = [
        {"action": "uppercase", "data": {"text": str(n)}} for n in range(250)
    ]
    body[1]["delay_s"] = 10

    answer = await post(http, json.dumps(body))

    tasks = await stored(service)
    accepted = await answer.json()
    assert answer.status == 202
    assert accepted["count"] == 250
    assert [task["id"] for task in accepted["tasks"]] == [task.id for task in tasks]
    assert [task["status"] for task in accepted["tasks"][:3]] == ["queued", "scheduled", "queued"]
    assert [json.loads(task.payload)["data"] for task in tasks] == [one["data"] for one in body]


async def test_one_fault_in_an_array_refuses_all_of_it_and_names_where(
    http: ClientSession, service: ScriptedService
) -> None:
    body = [
        {"action": "uppercase"},
        {"action": "uppercase", "data": {"text": 1}},
        {"action": "lowercase"},
    ]

    answer = await post(http, json.dumps(body))

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "invalid tasks")
    assert fields(problem) == {"[1].data.text", "[2].action"}
    assert await stored(service) == ()


async def test_elements_that_are_no_tasks_are_named(
    http: ClientSession, service: ScriptedService
) -> None:
    body = [{"action": "uppercase"}, 5, {"data": {}}, {"action": "uppercase", "priority": "x"}]

    answer = await post(http, json.dumps(body))

    assert answer.status == 422
    assert fields(await answer.json()) == {"[1].action", "[2].action", "[3].priority"}
    assert await stored(service) == ()


@pytest.mark.parametrize("count", [0, MAX_TASKS + 1])
async def test_an_array_is_neither_empty_nor_endless(http: ClientSession, count: int) -> None:
    answer = await post(http, b"[" + b",".join([b'{"action":"uppercase"}'] * count) + b"]")

    assert answer.status == 422
    assert str(count) in (await answer.json())["faults"][0]["message"]


async def test_the_answer_comes_after_the_commit(
    http: ClientSession, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, commit = asyncio.Event(), asyncio.Event()
    insert = service.storage.insert

    async def slow_insert(*args: Any, **kwargs: Any) -> Any:
        begun.set()
        await commit.wait()
        return await insert(*args, **kwargs)

    monkeypatch.setattr(service.storage, "insert", slow_insert)
    posting = asyncio.create_task(post(http, '{"action":"uppercase"}'))
    await begun.wait()
    health = await http.get("/health")

    answered_before = posting.done()
    commit.set()
    answer = await posting

    assert health.status == 200
    assert not answered_before
    assert answer.status == 202


# --- hostile bodies ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/tasks", "/dead/delete", f"/tasks/{NOBODY}/cancel"])
@pytest.mark.parametrize("form", ['{"action":"uppercase","data":%s}', "%s", '{"x":%s}', "[%s]"])
async def test_no_depth_of_nesting_is_a_surprise(
    http: ClientSession, events: EventLog, path: str, form: str
) -> None:
    headers = {"Content-Type": "application/json"}

    answers = [
        await http.post(path, data=form % ("[" * depth + "]" * depth), headers=headers)
        for depth in (*range(900, 1010), 100_000)
    ]

    assert {answer.status for answer in answers} <= {400, 404, 413, 422}
    assert events.select("http_error") == []


@pytest.mark.parametrize(
    "body",
    [
        "[" + "0," * 550_000 + "0]",
        '{"action":"uppercase",' + ",".join(f'"k{n}":1' for n in range(90_000)) + "}",
        '{"action":"uppercase","data":{' + ",".join(f'"k{n}":1' for n in range(90_000)) + "}}",
        "[" + ",".join(['{"action":"uppercase","data":{"x":1},"y":1}'] * 10_000) + "]",
        "[" + ",".join(['{"action":"uppercase","data":{"x":1}}'] * 10_000) + "]",
    ],
    ids=["numbers", "options", "data", "both", "list"],
)
async def test_of_many_faults_a_hundred_are_told_and_how_many_others_there_may_be(
    http: ClientSession, body: str
) -> None:
    answer = await http.post("/tasks", data=io.BytesIO(body.encode()))

    text = await answer.text()
    problem = json.loads(text)
    assert answer.status == 422
    assert len(problem["faults"]) <= 100
    assert len(problem["faults"]) == 1 or re.search(r", and \d+ more may follow", problem["detail"])
    assert len(text) < 50_000


async def test_faults_of_the_data_are_told_beside_those_of_the_options(http: ClientSession) -> None:
    task = '{"action":"uppercase","data":{"text":1,"hight":2},"priority":"x","queue":7}'

    one = await http.post("/tasks", data=task)
    several = await http.post("/tasks", data=f"[{task}]")

    names = ["priority", "queue", "data.text", "data.hight"]
    assert [fault["field"] for fault in (await one.json())["faults"]] == names
    assert [fault["field"] for fault in (await several.json())["faults"]] == [
        f"[0].{name}" for name in names
    ]


# --- expiry --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "at"),
    [
        ({"expires_s": 60}, NOW + 60),
        ({"expires_s": 60, "delay_s": 30}, NOW + 60),
        ({"expires_at": NOW + 5}, NOW + 5),
        ({"expires_at": "2030-01-01T00:00:00Z"}, 1_893_456_000.0),
    ],
)
async def test_a_task_that_expires_shows_when(
    http: ClientSession, given: dict[str, Any], at: float
) -> None:
    accepted = await http.post("/tasks", json={"action": "uppercase", "data": {"text": ""}} | given)

    task = await (await http.get(f"/tasks/{(await accepted.json())['id']}")).json()

    assert task["expires_at"] == at
    assert "; expires in " in task["waiting_for"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"expires_s": 0}, "expires_s"),
        ({"expires_s": "soon"}, "expires_s"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_s": 1, "expires_at": NOW}, "expires_at"),
    ],
)
async def test_an_expiry_that_cannot_be_is_refused_by_name(
    http: ClientSession, given: dict[str, Any], field: str
) -> None:
    refused = await http.post("/tasks", json={"action": "uppercase", "data": {"text": ""}} | given)

    assert refused.status == 422
    assert fields(await refused.json()) == {field}
