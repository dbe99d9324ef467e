"""POST /tasks whose key another task holds: the answer says what became of it."""

from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.rules.tasks import Complete
from tests.gateway.scripted import NOW, ScriptedService

BODY: dict[str, Any] = {"action": "uppercase", "data": {"text": "hi"}}
OTHER: dict[str, Any] = {"action": "uppercase", "data": {"text": "ho"}}
BY_TEXT = {"unique_by": ["text"]}


async def post(http: ClientSession, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    response = await http.post("/tasks", json=body, headers=headers)
    return response.status, await response.json()


@pytest.mark.parametrize(
    ("more", "status", "acceptance"),
    [
        ({"on_repeat": "keep"}, "scheduled", "kept"),
        ({"on_repeat": "replace"}, "queued", "replaced"),
        ({"on_repeat": "replace", "delay_s": 90}, "scheduled", "replaced"),
        ({"on_repeat": "postpone", "delay_s": 90}, "scheduled", "postponed"),
    ],
)
async def test_the_answer_names_the_holder_and_what_became_of_it(
    http: ClientSession, more: dict[str, Any], status: str, acceptance: str
) -> None:
    code, first = await post(http, BODY | {"unique_key": "k", "delay_s": 60})

    answer = await post(http, OTHER | {"unique_key": "k"} | more)

    assert code == 202
    assert answer == (200, {"id": first["id"], "status": status, "acceptance": acceptance})


async def test_a_rejected_task_is_refused_with_the_id_of_the_holder(http: ClientSession) -> None:
    _, first = await post(http, BODY | BY_TEXT | {"on_repeat": "reject"})

    status, problem = await post(http, BODY | BY_TEXT | {"on_repeat": "reject"})

    assert (status, problem["error"]) == (409, "unique key taken")
    assert problem["conflicts"] == {'text="hi"': first["id"]}


async def test_a_rejected_request_that_is_sent_again_gets_its_answer(http: ClientSession) -> None:
    rejecting = BODY | BY_TEXT | {"on_repeat": "reject"}

    first = await post(http, rejecting, **{"Idempotency-Key": "a"})
    again = await post(http, rejecting, **{"Idempotency-Key": "a"})
    other = await post(http, rejecting, **{"Idempotency-Key": "b"})

    assert first == again
    assert other[0] == 409


async def test_a_list_says_for_each_task_what_became_of_it(http: ClientSession) -> None:
    keyed = {"unique_key": "k", "on_repeat": "keep"}

    status, answer = await post(http, [BODY | keyed, OTHER | keyed])

    assert status == 202
    assert [task.get("acceptance") for task in answer["tasks"]] == [None, "kept"]
    assert len({task["id"] for task in answer["tasks"]}) == 1


async def test_a_list_with_a_rejected_task_is_refused_and_the_others_are_queued(
    http: ClientSession,
) -> None:
    await post(http, BODY | BY_TEXT)

    status, problem = await post(
        http,
        [
            OTHER | BY_TEXT | {"idempotency_key": "1"},
            BODY | BY_TEXT | {"on_repeat": "reject", "idempotency_key": "2"},
        ],
    )

    assert status == 409
    assert [fault["field"] for fault in problem["faults"]] == ["[1].unique_key"]
    assert problem["detail"].endswith("queued, because their keys were free: 1.")


async def test_a_task_shows_its_key_and_whether_it_still_holds_it(
    http: ClientSession, service: ScriptedService
) -> None:
    _, first = await post(http, BODY | BY_TEXT)
    states = []
    for _ in range(2):
        task = await (await http.get(f"/tasks/{first['id']}")).json()
        states.append(task["key"])
        if task["status"] == "queued":
            await service.settle_next(Complete(result="1"))

    assert states == [
        {"scope": "action", "until": "ended", "is_free": False},
        {"scope": "action", "until": "ended", "is_free": True},
    ]


async def test_tasks_are_found_by_a_key_that_is_free_again(
    http: ClientSession, service: ScriptedService
) -> None:
    made = []
    for _ in range(2):
        _, answer = await post(http, BODY | BY_TEXT)
        made.append(answer["id"])
        await service.settle_next(Complete(result="1"))

    page = await (await http.get("/tasks", params={"unique_key": 'text="hi"'})).json()

    assert [task["id"] for task in page["tasks"]] == made[::-1]


async def test_a_clone_of_a_unique_task_is_queued_beside_it(
    http: ClientSession, service: ScriptedService
) -> None:
    _, first = await post(http, BODY | BY_TEXT)

    clone = await http.post(f"/tasks/{first['id']}/clone")

    assert clone.status == 202
    assert len(await service.storage.find(limit=9, now=NOW)) == 2


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"unique_until": "later"}, "must be one of ended, started, deleted"),
        ({"on_repeat": "explode"}, "must be one of keep, replace, postpone, reject"),
        ({"unique_by": "text"}, "must be a list of names"),
        ({"on_repeat": "keep"}, "needs unique_key or unique_by"),
        ({"unique_by": ["no"]}, "the handler takes no 'no'"),
    ],
)
async def test_a_choice_that_cannot_be_is_refused_by_name(
    http: ClientSession, more: dict[str, Any], fault: str
) -> None:
    status, problem = await post(http, BODY | more)

    assert status == 422
    assert [each["field"] for each in problem["faults"]] == [*more]
    assert fault in problem["faults"][0]["message"]
