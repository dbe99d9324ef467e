"""Many tasks summed up: dead ones by error, counts of what matches, beginnings of payloads."""

from typing import Any

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from taskqueue.commands import Enqueue
from taskqueue.rules.options import NO_CHOICE, Options
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter
from tests.gateway.scripted import NOW, ScriptedService

JSON = {"Content-Type": "application/json"}
DEAD = DeadLetter(reason="", outcome=AttemptOutcome.FAILED, error="OSError")


async def get(http: ClientSession, path: str, **query: str) -> Any:
    answer = await http.get(path, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def queue(service: ScriptedService, data: bytes = b"{}", options: Options = NO_CHOICE) -> str:
    task = service.app.prepare("uppercase", data, options=options)
    await service(Enqueue(tasks=(task,)))
    return task.id


async def bury(service: ScriptedService, reason: str, options: Options = NO_CHOICE) -> str:
    await queue(service, options=options)
    return await service.settle_next(replace(DEAD, reason=reason), queue=options.queue or "default")


async def test_dead_tasks_are_grouped_by_action_and_error(
    http: ClientSession, service: ScriptedService
) -> None:
    await bury(service, "ValueError: no")
    await bury(service, "OSError: no answer in 30 s", Options(queue="mail"))
    latest = await bury(service, "OSError: no answer in 45.5 s")

    answer = await get(http, "/dead/groups")

    first, second = answer["groups"]
    assert first == {
        "action": "uppercase",
        "error": "OSError: no answer in … s",
        "tasks": 2,
        "queues": ["default", "mail"],
        "latest_at": NOW,
        "example_id": latest,
        "example": "OSError: no answer in 45.5 s",
    }
    assert (second["error"], answer["truncated"]) == ("ValueError: no", False)


async def test_the_largest_groups_come_first_and_the_answer_says_that_there_are_more(
    http: ClientSession, service: ScriptedService
) -> None:
    for reason in ("A", "B", "B"):
        await bury(service, reason)

    answer = await get(http, "/dead/groups", limit="1")
    of_mail = await get(http, "/dead/groups", queue="mail", action="uppercase")

    assert [group["error"] for group in answer["groups"]] == ["B"]
    assert answer["truncated"] is True
    assert of_mail == {"groups": [], "truncated": False}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "action=", "text=a"])
async def test_a_query_that_groups_nothing_is_refused(http: ClientSession, query: str) -> None:
    answer = await http.get(f"/dead/groups?{query}")

    [fault] = (await answer.json())["faults"]
    assert (answer.status, fault["field"]) == (422, query.partition("=")[0])


async def test_a_group_is_redriven_by_its_error_and_by_that_of_any_task_in_it(
    http: ClientSession, service: ScriptedService
) -> None:
    group = [await bury(service, f"OSError: order {n}") for n in range(3)]
    other = await bury(service, "ValueError: order 7")
    [first, _] = (await get(http, "/dead/groups"))["groups"]
    query = {"action": first["action"], "error": first["error"]}

    listed = await get(http, "/tasks", **query)
    by_example = await get(http, "/tasks", error="OSError: order 99")
    redriven = await http.post("/tasks/redrive", params=query, headers=JSON)

    assert {task["id"] for task in listed["tasks"]} == set(group)
    assert by_example["count"] == 3
    assert await redriven.json() == {"matched": 3, "done": 3, "next": None}
    assert [task["id"] for task in (await get(http, "/tasks", status="dead"))["tasks"]] == [other]


async def test_what_matches_is_counted(http: ClientSession, service: ScriptedService) -> None:
    await queue(service)
    await service.settle_next(Complete(result="1"))
    await bury(service, "no")
    await queue(service, b'{"text": "needle"}', Options(queue="mail", group="g"))

    every = await get(http, "/stats")
    of_queue = await get(http, "/stats", queue="mail")
    of_text = await get(http, "/stats", text="needle", status="queued,dead")

    counted = {name: n for name, n in every["tasks"].items() if n}
    assert counted == {"queued": 1, "completed": 1, "dead": 1}
    assert {name: n for name, n in of_queue["tasks"].items() if n} == {"queued": 1}
    assert of_text == {"tasks": {"queued": 1, "dead": 0}}
    assert await get(http, "/stats", group="g") == of_queue


async def test_a_count_of_what_no_index_answers_says_that_there_are_more(
    http: ClientSession, service: ScriptedService
) -> None:
    task = service.app.prepare("uppercase", b"{}")
    many = [replace(task, id=f"{task.id[:-4]}{n:04d}") for n in range(1_001)]
    await service(Enqueue(tasks=tuple(many)))

    counts = await get(http, "/stats", created_after="0")

    assert counts["tasks"]["queued"] == 1_000
    assert counts["more_than"] == ["queued"]


async def test_a_list_shows_what_data_begins_with(
    http: ClientSession, service: ScriptedService
) -> None:
    short = await queue(service, b'{"text": "Zo\xc3\xab"}')
    long = await queue(service, b'{"text": "%b"}' % (b"x" * 5_000))

    page = await get(http, "/tasks", fields="id,payload_head", sort="oldest")

    assert page["tasks"][0] == {"id": short, "payload_head": '{"text": "Zoë"}'}
    assert page["tasks"][1] == {"id": long, "payload_head": '{"text": "' + "x" * 190}
    assert "payload_head" not in (await get(http, "/tasks"))["tasks"][0]
