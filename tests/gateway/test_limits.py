"""What limits allow, how much of it is used, and how both are changed."""

from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.api.limits import Limit
from taskqueue.commands import Enqueue
from taskqueue.rules.access import Role
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.tasks import Complete
from tests.gateway.scripted import NOW, ScriptedService, demo_app

JSON = {"Content-Type": "application/json"}
TWO = {"running": 2, "starts": None, "per_s": None, "burst": None}
RATE = {"running": None, "starts": 100.0, "per_s": 60.0, "burst": 20.0}


@pytest.fixture
async def service() -> ScriptedService:
    app = demo_app()

    @app.task("letter", limit=Limit(running=2, key="smtp:{domain}"))
    async def letter(domain: str) -> None: ...

    @app.task("ask", limit=Limit(starts=100, per_s=60, burst=20, name="openai"))
    async def ask() -> None: ...

    scripted = ScriptedService(app)
    await scripted.storage.migrate()
    await scripted.storage.open()
    await scripted.storage.declare_limits(app.limits, now=NOW)
    return scripted


async def enqueue(service: ScriptedService, *domains: str) -> list[str]:
    tasks = tuple(
        service.app.prepare("letter", b'{"domain":"%s"}' % domain.encode()) for domain in domains
    )
    await service(Enqueue(tasks=tasks))
    return [task.id for task in tasks]


async def shown(http: ClientSession, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status == 200, await answer.text()
    return await answer.json()


async def test_all_limits_are_shown_with_what_is_used(
    http: ClientSession, service: ScriptedService
) -> None:
    await enqueue(service, *["a.example"] * 3, "b.example")
    for _ in range(3):
        await service.start_next()

    assert await shown(http, "/limits") == {
        "limits": [
            {
                "name": "openai",
                "allows": RATE,
                "declared": RATE,
                "changed_at": None,
                "running": 0,
                "waiting": 0,
            },
            {
                "name": "smtp",
                "allows": TWO,
                "declared": TWO,
                "changed_at": None,
                "running": 3,
                "waiting": 1,
            },
        ],
        "next": None,
    }


async def test_a_limit_is_shown_with_its_keys_page_by_page(
    http: ClientSession, service: ScriptedService
) -> None:
    await enqueue(service, *["a.example"] * 3, "b.example")
    for _ in range(3):
        await service.start_next()

    first = await shown(http, "/limits/smtp?limit=1")
    second = await shown(http, f"/limits/smtp?limit=1&cursor={first['next']}")

    assert first["keys"] == [{"key": "a.example", "running": 2, "waiting": 1, "opens_at": None}]
    assert second["keys"] == [{"key": "b.example", "running": 1, "waiting": 0, "opens_at": None}]
    assert second["next"] is None
    assert second["limit"]["name"] == "smtp"


async def test_a_task_shows_its_limits_and_which_one_holds_it_back(
    http: ClientSession, service: ScriptedService
) -> None:
    first, second, third = await enqueue(service, *["a.example"] * 3)
    for _ in range(2):
        await service.start_next()

    waiting = await shown(http, f"/tasks/{third}")
    free = await shown(http, f"/tasks/{(await enqueue(service, 'b.example'))[0]}")

    assert waiting["limits"] == [{"name": "smtp", "key": "a.example", "cost": 1.0}]
    assert waiting["waiting_for"] == (
        f"waits for a slot of `smtp:a.example` (2 of 2 running: {first}, {second}); next in line"
    )
    assert free["waiting_for"] == "waits for a free slot; 2nd in line"


async def test_without_limits_a_task_shows_none(
    http: ClientSession, service: ScriptedService
) -> None:
    task = service.app.prepare("uppercase")
    await service(Enqueue(tasks=(task,)))

    assert "limits" not in await shown(http, f"/tasks/{task.id}")


async def test_a_task_tells_when_its_rate_allows_it(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.change_limit("openai", LimitValues(starts=1, per_s=60), now=NOW)
    first, second = (service.app.prepare("ask") for _ in range(2))
    await service(Enqueue(tasks=(first, second)))
    await service.settle_next(Complete(result="null"))

    assert (await shown(http, f"/tasks/{second.id}"))["waiting_for"] == (
        "waits for its rate: `openai` allows the next start in 1 min (1 per 60 s); next in line"
    )


async def test_a_limit_is_changed_and_reset(http: ClientSession, service: ScriptedService) -> None:
    changed = await http.put("/limits/smtp", json={"running": 4, "starts": 10, "burst": 3})
    again = await http.put("/limits/smtp", json={"running": 5.0, "starts": None})
    reset = [await http.delete("/limits/smtp") for _ in range(2)]

    assert [changed.status, again.status] == [200, 200]
    view = await changed.json()
    assert view["allows"] == {"running": 4, "starts": 10.0, "per_s": 1.0, "burst": 3.0}
    assert (view["declared"], view["changed_at"]) == (TWO, NOW)
    assert (await again.json())["allows"] == {**TWO, "running": 5}
    assert [each.status for each in reset] == [204, 204]
    [_, smtp] = (await shown(http, "/limits"))["limits"]
    assert (smtp["allows"], smtp["changed_at"]) == (TWO, None)


async def test_a_limit_that_no_action_has_can_be_made_and_is_gone_when_it_is_reset(
    http: ClientSession,
) -> None:
    made = await http.put("/limits/queue:other", json={"starts": 2})
    taken = await http.post("/limits/queue:other/take", json={})
    gone = await http.delete("/limits/queue:other")

    assert (made.status, taken.status, gone.status) == (200, 200, 204)
    assert (await made.json())["declared"] is None
    assert (await http.get("/limits/queue:other")).status == 404


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, ["running"]),
        ({"running": 0}, ["running"]),
        ({"running": 2.5}, ["running"]),
        (
            {"running": "2", "starts": -1, "per_s": 0, "burst": 0.5},
            ["running", "starts", "per_s", "burst"],
        ),
        ({"running": 2, "per_s": 60, "burst": 2}, ["per_s", "burst"]),
        ({"running": 2, "kee": 1}, ["kee"]),
    ],
)
async def test_values_that_cannot_be_are_refused_with_every_fault(
    http: ClientSession, body: dict[str, Any], faults: list[str]
) -> None:
    answer = await http.put("/limits/smtp", json=body)

    assert answer.status == 422
    problem = await answer.json()
    assert problem["error"] == "invalid request"
    assert [fault["field"] for fault in problem["faults"]] == faults


async def test_a_name_with_a_slash_is_refused(http: ClientSession) -> None:
    answer = await http.put("/limits/a%2Fb", json={"running": 1})

    assert answer.status == 422
    assert (await answer.json())["faults"][0]["field"] == "name"


async def test_starts_are_taken_until_the_rate_is_spent(http: ClientSession) -> None:
    await http.put("/limits/openai", json={"starts": 60, "per_s": 60, "burst": 10})

    answers = [
        await http.post("/limits/openai/take", json={"cost": cost, "key": "acme"})
        for cost in (4, 6, 2.5)
    ]
    elsewhere = await http.post("/limits/openai/take", headers=JSON)

    assert [each.status for each in answers] == [200, 200, 429]
    assert await answers[0].json() == {"taken": True}
    problem = await answers[2].json()
    assert (problem["error"], problem["retry_after_s"]) == ("rate spent", 2.5)
    assert problem["detail"] == "The rate of this limit allows it in 2.5 s."
    assert answers[2].headers["Retry-After"] == "3"
    assert elsewhere.status == 200
    [acme] = [key for key in (await shown(http, "/limits/openai"))["keys"] if key["key"] == "acme"]
    assert acme["running"] == 0


@pytest.mark.parametrize("body", [{"cost": 0}, {"cost": "1"}, {"key": ""}, {"key": 1}, {"n": 1}])
async def test_what_cannot_be_taken_is_refused(http: ClientSession, body: dict[str, Any]) -> None:
    answer = await http.post("/limits/openai/take", json=body)

    assert answer.status == 422
    assert [fault["field"] for fault in (await answer.json())["faults"]] == [*body]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/limits/other"), ("DELETE", "/limits/other"), ("POST", "/limits/other/take")],
)
async def test_a_limit_that_is_not_there_is_named_with_those_that_are(
    http: ClientSession, method: str, path: str
) -> None:
    answer = await http.request(method, path, headers=JSON)

    assert answer.status == 404
    problem = await answer.json()
    assert problem["error"] == "no such limit"
    assert problem["detail"] == "There is no limit 'other'; there are: openai, smtp."


async def test_a_change_is_in_the_audit_trail_and_taken_starts_are_not_stored(
    http: ClientSession, service: ScriptedService
) -> None:
    await http.put("/limits/smtp", json={"running": 4})
    await http.post("/limits/openai/take", json={})

    changes = (await shown(http, "/audit"))["changes"]

    assert {(each["method"], each["path"], each.get("body")) for each in changes} == {
        ("PUT", "/limits/smtp", '{"running": 4}'),
        ("POST", "/limits/openai/take", None),
    }
    assert {each["role"] for each in changes} == {Role.ADMIN, Role.ENQUEUE}


async def test_an_edit_cannot_move_a_task_to_another_key(
    http: ClientSession, service: ScriptedService
) -> None:
    [task_id] = await enqueue(service, "a.example")

    same = await http.patch(f"/tasks/{task_id}", json={"data": {"domain": "a.example"}})
    other = await http.patch(f"/tasks/{task_id}", json={"data": {"domain": "b.example"}})

    assert (same.status, other.status) == (200, 422)
    [fault] = (await other.json())["faults"]
    assert fault == {
        "field": "data",
        "message": (
            "gives its limits another key or cost; enqueue a new task, and cancel this one"
        ),
    }


async def test_a_task_whose_data_gives_no_key_is_refused(http: ClientSession) -> None:
    answer = await http.post("/tasks", json={"action": "letter", "data": {"domain": ""}})

    assert answer.status == 422
    [fault] = (await answer.json())["faults"]
    assert fault["field"] == "data.domain"
