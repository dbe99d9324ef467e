"""In which flow a task takes its turns, and where in line that is."""

from typing import Any
from urllib.parse import urlencode

import pytest
from aiohttp import ClientSession

from tests.gateway.scripted import ScriptedService, demo_app


@pytest.fixture
async def service() -> ScriptedService:
    app = demo_app()

    @app.task("report", fair_by="tenant", weight="size")
    async def report(tenant: str, size: float = 1.0) -> None: ...

    @app.task("sweep")
    async def sweep() -> None: ...

    scripted = ScriptedService(app)
    await scripted.storage.migrate()
    await scripted.storage.open()
    return scripted


def report(tenant: str, **data: Any) -> dict[str, Any]:
    return {"action": "report", "data": {"tenant": tenant, **data}}


async def enqueue(http: ClientSession, *tasks: dict[str, Any]) -> list[str]:
    answer = await http.post("/tasks", json=tasks)
    assert answer.status == 202, await answer.text()
    return [task["id"] for task in (await answer.json())["tasks"]]


async def test_a_task_shows_its_flow_and_about_where_in_line_it_is(
    http: ClientSession, service: ScriptedService
) -> None:
    await enqueue(http, *[report("acme")] * 50)
    ids = await enqueue(http, report("tiny"), report("tiny"), {"action": "sweep"})

    shown = [await (await http.get(f"/tasks/{each}")).json() for each in ids]

    assert [(each["flow"], each["waiting_for"]) for each in shown] == [
        ("tenant=tiny", "waits for a free slot; about 2nd in line"),
        ("tenant=tiny", "waits for a free slot; about 5th in line"),
        ("", "waits for a free slot; about 3rd in line"),
    ]


async def test_data_without_a_flow_or_a_weight_is_refused(http: ClientSession) -> None:
    answer = await http.post("/tasks", json=report("", size=0))

    assert answer.status == 422
    faults = (await answer.json())["faults"]
    assert [each["field"] for each in faults] == ["data.tenant", "data.size"]


async def test_an_edit_cannot_move_a_task_to_the_turns_of_another(http: ClientSession) -> None:
    [task_id] = await enqueue(http, report("acme"))

    same = await http.patch(f"/tasks/{task_id}", json=_data_of(report("acme", size=2)))
    other = await http.patch(f"/tasks/{task_id}", json=_data_of(report("tiny")))

    assert (same.status, other.status) == (200, 422)
    [fault] = (await other.json())["faults"]
    assert fault == {
        "field": "data",
        "message": (
            "would have it take the turns of others; enqueue a new task, and cancel this one"
        ),
    }


def _data_of(task: dict[str, Any]) -> dict[str, Any]:
    return {"data": task["data"]}


async def flows(http: ClientSession, query: str = "") -> Any:
    answer = await http.get(f"/queues/default/flows{query}")
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_the_flows_of_a_queue_are_listed_with_what_waits_and_their_next_turns(
    http: ClientSession, service: ScriptedService
) -> None:
    await enqueue(http, *[report("acme")] * 5)
    await enqueue(http, report("tiny", size=2), {"action": "sweep"})
    await enqueue(http, {**report("acme"), "priority": 3})
    first, second = [(await service.start_next()).task.id for _ in range(2)]

    listed = await flows(http)

    fields = ("flow", "priority", "waiting", "next_turn", "served_turn")
    assert [tuple(each[name] for name in fields) for each in listed["flows"]] == [
        ("", 0, 1, 0.5, 0.5),
        ("tenant=acme", 0, 4, 1.5, 0.5),
        ("tenant=acme", 3, 1, 0.5, 0.0),
    ]
    assert (listed["next"], first != second) == (None, True)
    queues = (await (await http.get("/queues")).json())["queues"]
    assert {each["queue"]: each["takes_turns"] for each in queues} == {
        "default": True,
        "mail": False,
    }


async def test_flows_come_page_by_page(http: ClientSession) -> None:
    await enqueue(http, *(report(tenant) for tenant in ("ä b", "c:d", "e/f?", "7")))

    pages = []
    query = "?limit=3"
    while True:
        page = await flows(http, query)
        pages.append([each["flow"] for each in page["flows"]])
        if page["next"] is None:
            break
        query = f"?limit=3&{urlencode({'cursor': page['next']})}"

    assert pages == [["tenant=7", "tenant=c:d", "tenant=e/f?"], ["tenant=ä b"]]


@pytest.mark.parametrize("query", ["cursor=acme", "cursor=x:acme", "cursor=1234:a", "limit=101"])
async def test_what_is_no_page_of_flows_is_refused(http: ClientSession, query: str) -> None:
    answer = await http.get(f"/queues/default/flows?{query}")

    fault = (await answer.json())["faults"][0]
    assert (answer.status, fault["field"]) == (422, query.partition("=")[0])


async def test_a_queue_that_nobody_serves_has_no_flows(http: ClientSession) -> None:
    answer = await http.get("/queues/nowhere/flows")

    assert (answer.status, (await answer.json())["error"]) == (404, "no such queue")
