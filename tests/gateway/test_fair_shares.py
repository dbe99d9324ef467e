"""In which flow a task takes its turns, and where in line that is."""

from typing import Any

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
