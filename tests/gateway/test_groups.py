"""The calls about groups: fill, close, show, wait, cancel and redrive them."""

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.events import events
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter
from tests.gateway.scripted import NOW, ScriptedService
from tests.gateway.test_wait import LONG_S, until

DONE = Complete(result="1")
DEAD = DeadLetter(reason="lost", outcome=AttemptOutcome.FAILED, error="OSError: lost")
MEMBER = {"action": "uppercase", "group": "import-17"}


async def post(http: ClientSession, path: str, body: object = None) -> tuple[int, Any]:
    response = await http.post(path, **({} if body is None else {"json": body}))
    return response.status, await response.json()


async def group(http: ClientSession, name: str = "import-17") -> dict[str, Any]:
    response = await http.get(f"/groups/{name}")
    assert response.status == 200
    answer: dict[str, Any] = await response.json()
    return answer


async def test_a_group_shows_how_far_its_tasks_are(
    http: ClientSession, service: ScriptedService
) -> None:
    await post(http, "/tasks", [MEMBER, MEMBER, MEMBER, {**MEMBER, "delay_s": 60}])
    await service.settle_next(DONE)
    await service.settle_next(DEAD)

    shown = await group(http)

    assert {status: tasks for status, tasks in shown.pop("tasks").items() if tasks} == {
        "queued": 1,
        "scheduled": 1,
        "completed": 1,
        "dead": 1,
    }
    assert shown == {
        "name": "import-17",
        "total": 4,
        "progress": 0.5,
        "closed": False,
        "ended": False,
        "created_at": NOW,
        "closed_at": None,
        "ended_at": None,
        "then": None,
    }
    listed = await (await http.get("/tasks?group=import-17&status=dead")).json()
    assert [task["group"] for task in listed["tasks"]] == ["import-17"]


async def test_a_group_is_filled_and_closed_and_something_follows(
    http: ClientSession, service: ScriptedService
) -> None:
    then = {"action": "send"}

    status, closed = await post(
        http, "/groups/import-17/close", {"tasks": [{"action": "uppercase"}], "then": then}
    )

    assert (status, closed["group"]["closed"], closed["group"]["ended"]) == (200, True, False)
    assert [task["status"] for task in closed["tasks"]] == ["queued"]
    await service.settle_next(DONE)
    ended = await group(http)
    assert (ended["ended"], ended["progress"]) == (True, 1.0)
    assert ended["then"] == {
        "action": "send",
        "queue": "mail",
        "accepted_at": NOW,
        "task_id": (await service.start_next("mail")).task.id,
    }


async def test_closing_twice_is_the_same_unless_something_else_follows(
    http: ClientSession,
) -> None:
    first = await post(http, "/groups/import-17/close", {"then": {"action": "send"}})
    again = await post(http, "/groups/import-17/close", {"then": {"action": "send"}})
    other = await post(http, "/groups/import-17/close")

    assert (first[0], again[0], again[1]["group"]) == (200, 200, first[1]["group"])
    assert (other[0], other[1]["error"]) == (409, "group was closed with another then")


async def test_a_closed_group_takes_no_tasks(http: ClientSession) -> None:
    await post(http, "/groups/import-17/close")

    one = await post(http, "/tasks", MEMBER)
    several = await post(http, "/tasks", [{"action": "uppercase"}, MEMBER])
    late = await post(http, "/groups/import-17/close", {"tasks": [{"action": "uppercase"}]})

    assert [status for status, _ in (one, several, late)] == [409, 409, 409]
    assert one[1]["error"] == "group is closed"
    assert [fault["field"] for fault in one[1]["faults"]] == ["group"]
    assert [fault["field"] for fault in several[1]["faults"]] == ["[1].group"]
    assert several[1]["detail"] == "Tasks of this list that were queued: 1."


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"then": {"action": "lost"}}, ["then.action"]),
        (
            {"then": {"action": "uppercase", "data": {"text": 7, "x": 1}}},
            ["then.data.text", "then.data.x"],
        ),
        ({"then": {"action": "uppercase", "group": "import-17"}}, ["then.group"]),
        ({"then": [{"action": "uppercase"}]}, ["then"]),
        ({"tasks": {"action": "uppercase"}}, ["tasks"]),
        ({"tasks": [{"action": "uppercase", "group": "other"}]}, ["tasks[0].group"]),
        ({"tasks": [{"action": "uppercase"}, {"action": "lost"}]}, ["tasks[1].action"]),
        ({"then": {"action": "uppercase", "priority": "high"}}, ["then.priority"]),
        ({"when": 1}, ["when"]),
        ([], [""]),
    ],
)
async def test_what_cannot_close_a_group_is_named(
    http: ClientSession, body: object, fields: list[str]
) -> None:
    status, problem = await post(http, "/groups/import-17/close", body)

    assert (status, sorted(fault["field"] for fault in problem["faults"])) == (422, fields)
    assert (await http.get("/groups/import-17")).status == 404


async def test_what_follows_is_part_of_the_trace_of_the_close(
    http: ClientSession, service: ScriptedService
) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    body = {"then": {"action": "send"}, "tasks": [{"action": "uppercase"}]}

    await http.post("/groups/import-17/close", json=body, headers={"traceparent": trace})
    await service.settle_next(DONE)

    found = await (await http.get(f"/tasks?trace={trace[3:35]}")).json()
    assert {task["action"] for task in found["tasks"]} == {"send", "uppercase"}


async def test_an_import_of_nothing_ends_at_once(http: ClientSession) -> None:
    _, closed = await post(
        http, "/groups/import-17/close", {"tasks": [], "then": {"action": "send"}}
    )

    assert closed["group"]["ended"]
    assert closed["group"]["then"]["task_id"] is not None


async def test_groups_are_listed_page_by_page(http: ClientSession) -> None:
    await post(http, "/tasks", {**MEMBER, "group": "a"})
    await post(http, "/groups/b/close")
    await post(http, "/tasks", {**MEMBER, "group": "c"})

    first = await (await http.get("/groups?limit=2")).json()
    second = await (await http.get(f"/groups?limit=2&cursor={first['next']}")).json()
    ended = await (await http.get("/groups?ended=true")).json()

    assert [each["name"] for each in first["groups"]] == ["c", "b"]
    assert ([each["name"] for each in second["groups"]], second["next"]) == (["a"], None)
    assert [each["name"] for each in ended["groups"]] == ["b"]


async def test_all_tasks_of_a_group_are_cancelled_or_redriven(
    http: ClientSession, service: ScriptedService
) -> None:
    await post(http, "/tasks", [MEMBER, MEMBER, MEMBER, {"action": "uppercase"}])
    await service.settle_next(DEAD)
    await service.start_next()

    cancelled = await post(http, "/groups/import-17/cancel?reason=unwanted")
    redriven = await post(http, "/groups/import-17/redrive")

    assert cancelled == (200, {"matched": 2, "done": 2, "next": None})
    assert redriven == (200, {"matched": 1, "done": 1, "next": None})
    tasks = (await group(http))["tasks"]
    assert (tasks["cancelled"], tasks["running"], tasks["queued"]) == (1, 1, 1)
    assert (await post(http, "/groups/lost/cancel"))[0] == 404


async def test_a_client_that_waits_is_answered_when_the_group_ends(
    http: ClientSession, service: ScriptedService, waits: TaskWaits
) -> None:
    await post(http, "/groups/import-17/close", {"tasks": [{"action": "uppercase"}]})
    service.storage.on_group_end(lambda end: events.info("group_ended", group=end.name))
    waiting = asyncio.create_task(http.get(f"/groups/import-17?wait_s={LONG_S}"))
    await until(waits, 1)

    await service.settle_next(DONE)

    async with asyncio.timeout(10.0):
        assert (await (await waiting).json())["ended"]
