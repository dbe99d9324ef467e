"""Schedules over HTTP: create, change, pause, resume, run and delete them."""

from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue import App, every
from taskqueue.errors import ActorUnavailable
from taskqueue.rules.schedules.values import Declared, Firing, Passed
from taskqueue.rules.schedules.words import Origin
from taskqueue.rules.tasks import Status
from tests.gateway.scripted import NOW, ScriptedService, StillClock

JSON = {"Content-Type": "application/json"}
NIGHTLY = {
    "name": "nightly",
    "action": "report",
    "cron": "0 3 * * *",
    "timezone": "Europe/Berlin",
    "data": {"day": "{slot}"},
}


@pytest.fixture
async def service() -> ScriptedService:
    app = App(clock=StillClock())

    @app.schedule(every(minutes=5), name="in-code")
    @app.task("report", schedulable=True)
    async def report(day: str = "") -> None: ...

    @app.task("secret")
    async def secret() -> None: ...

    service = ScriptedService(app)
    await service.storage.migrate()
    await service.storage.open()
    await service.storage.declare_schedules([*app.schedules.values()], now=NOW)
    return service


async def call(
    http: ClientSession, method: str, path: str = "", body: object = None
) -> tuple[int, Any]:
    """Make a call; return the status and the answer."""
    answer = await http.request(method, f"/schedules{path}", json=body, headers=JSON)
    return answer.status, await answer.json() if answer.status != 204 else None


async def test_a_schedule_is_created_and_shown(http: ClientSession) -> None:
    status, created = await call(http, "POST", body=NIGHTLY)
    _, shown = await call(http, "GET", "/nightly")
    _, listed = await call(http, "GET")

    assert (status, created) == (201, shown)
    assert shown["when"] == "At 03:00 every day (Europe/Berlin)"
    assert (shown["data"], shown["missed"], shown["overlap"]) == (
        {"day": "{slot}"},
        "latest",
        "skip",
    )
    assert (shown["origin"], shown["paused"], shown["active_from"]) == ("api", False, NOW)
    assert [each["local"] for each in shown["upcoming"]] == [
        f"2027-01-{day}T03:00:00+01:00" for day in range(16, 21)
    ]
    assert shown["upcoming"][0]["timezone"] == "Europe/Berlin"
    assert shown["next_at"] == shown["upcoming"][0]["at"]
    assert (shown["slots"], shown["last"], shown["waiting_from"]) == ([], None, None)
    assert [each["name"] for each in listed["schedules"]] == ["in-code", "nightly"]
    assert "upcoming" not in listed["schedules"][0]


async def test_the_name_is_that_of_the_action_by_default(http: ClientSession) -> None:
    _, created = await call(http, "POST", body={"action": "report", "every_s": 300.0})

    assert (created["name"], created["every_s"], created["when"]) == (
        "report",
        300,
        "Every 5 minutes",
    )


async def test_the_last_slots_are_shown_with_their_tasks_and_reasons(
    http: ClientSession, service: ScriptedService
) -> None:
    await call(http, "POST", body=NIGHTLY)
    task = service.app.prepare("report")
    await service.storage.fire(
        Firing(schedule="nightly", version=1, slot=NOW + 60, task=task), now=NOW + 60
    )
    await service.storage.pass_over(
        Passed(
            schedule="nightly", version=1, slots=2, first=NOW + 90, last=NOW + 120, reason="late"
        ),
        now=NOW + 180,
    )

    _, shown = await call(http, "GET", "/nightly")

    missed, fired = shown["slots"]
    assert (fired["task_id"], fired["status"], fired["outcome"]) == (
        task.id,
        Status.QUEUED,
        "fired",
    )
    assert (missed["outcome"], missed["slots"], missed["task_id"]) == ("missed", 2, None)
    assert shown["last"]["reason"] == missed["reason"]
    assert "late" in missed["reason"]
    assert (shown["fired_slots"], shown["missed_slots"]) == (1, 2)


async def test_a_schedule_is_replaced_and_changed(http: ClientSession) -> None:
    status, put = await call(http, "PUT", "/nightly", {"action": "report", "cron": "@daily"})
    changed_status, changed = await call(
        http, "PATCH", "/nightly", {"every_s": 60, "within_s": 5, "data": {"day": "x"}}
    )
    _, unlimited = await call(http, "PATCH", "/nightly", {"within_s": None})
    _, replaced = await call(http, "PUT", "/nightly", {"action": "report", "cron": "@hourly"})

    assert (status, put["cron"], put["data"]) == (200, "@daily", {})
    assert changed_status == 200
    assert (changed["cron"], changed["every_s"], changed["within_s"]) == (None, 60, 5.0)
    assert (unlimited["within_s"], unlimited["data"]) == (None, {"day": "x"})
    assert (replaced["cron"], replaced["every_s"], replaced["data"]) == ("@hourly", None, {})


async def test_a_schedule_is_paused_resumed_run_and_deleted(
    http: ClientSession, service: ScriptedService
) -> None:
    await call(http, "POST", body=NIGHTLY)

    _, paused = await call(http, "POST", "/nightly/pause", {"reason": "maintenance"})
    run_status, receipt = await call(http, "POST", "/nightly/run")
    _, shown = await call(http, "GET", "/nightly")
    _, resumed = await call(http, "POST", "/nightly/resume")
    deleted, _ = await call(http, "DELETE", "/nightly")

    assert (paused["paused"], paused["paused_because"], paused["next_at"]) == (
        True,
        "maintenance",
        None,
    )
    assert (run_status, receipt["status"]) == (202, "queued")
    assert [(each["task_id"], each["run_now"]) for each in shown["slots"]] == [
        (receipt["id"], True)
    ]
    task = await service.storage.get(receipt["id"], now=NOW)
    assert task is not None
    assert '"day": "2027-01-15T08:00:00Z"' in task.task.payload
    assert (resumed["paused"], deleted) == (False, 204)
    assert (await call(http, "GET", "/nightly"))[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/in-code", {"action": "report", "cron": "@daily"}),
        ("PATCH", "/in-code", {"cron": "@daily"}),
        ("DELETE", "/in-code", None),
    ],
)
async def test_what_code_declares_is_changed_there(
    http: ClientSession, method: str, path: str, body: object
) -> None:
    status, problem = await call(http, method, path, body)

    assert (status, problem["error"]) == (409, "schedule is declared elsewhere")
    assert "Change it in the code." in problem["detail"]
    assert (await call(http, "POST", "/in-code/pause"))[0] == 200
    assert (await call(http, "POST", "/in-code/resume"))[0] == 200
    assert (await call(http, "POST", "/in-code/run"))[0] == 202


async def test_what_code_no_longer_names_stays_paused_and_can_be_deleted(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.declare_schedules([], now=NOW)

    _, shown = await call(http, "GET", "/in-code")
    status, problem = await call(http, "POST", "/in-code/resume")

    assert shown["paused_because"] == "the code no longer names it"
    assert (status, problem["detail"]) == (409, "It stays paused: the code no longer names it.")
    assert (await call(http, "DELETE", "/in-code"))[0] == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/pause"),
        ("POST", "/resume"),
        ("POST", "/run"),
    ],
)
async def test_there_is_no_such_schedule(http: ClientSession, method: str, path: str) -> None:
    body = {"cron": "@daily"} if method == "PATCH" else None

    status, problem = await call(http, method, f"/unknown{path}", body)

    assert (status, problem["error"]) == (404, "no such schedule")
    assert problem["detail"].startswith("There is no schedule 'unknown'; there are: ")


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"action": "report"}, "cron", "give either cron or every_s"),
        ({"action": "report", "cron": "* *"}, "cron", "Wrong number of fields in '* *'"),
        ({"action": "report", "every_s": 1.5}, "every_s", "must be whole seconds"),
        ({"action": "report", "cron": "@daily", "timezone": "Mars"}, "timezone", "no time zone"),
        ({"action": "report", "cron": "@daily", "data": {"x": 1}}, "data.x", "unknown"),
        ({"action": "report", "cron": "@daily", "data": []}, "data", "object"),
        ({"action": "report", "cron": "@daily", "missed": "x"}, "missed", "must be one of latest"),
        ({"action": "report", "cron": "@daily", "within_s": -1}, "within_s", "above 0"),
        ({"action": "secret", "cron": "@daily"}, "action", "schedulable=True"),
        ({"action": "unknown", "cron": "@daily"}, "action", "unknown; this app knows"),
        ({"cron": "@daily"}, "action", "is required"),
        ({"action": "report", "cron": "@daily", "name": ""}, "name", "must be 1 to 128"),
        ({"action": "report", "often": True}, "often", "unknown; there are"),
    ],
)
async def test_a_schedule_that_cannot_work_is_refused(
    http: ClientSession, body: object, field: str, message: str
) -> None:
    status, problem = await call(http, "POST", body=body)

    assert status == 422
    found = {fault["field"]: fault["message"] for fault in problem["faults"]}
    assert message in found[field]


async def test_an_empty_change_and_a_name_that_is_taken_are_refused(http: ClientSession) -> None:
    await call(http, "POST", body=NIGHTLY)

    empty = await call(http, "PATCH", "/nightly", {})
    taken = await call(http, "POST", body=NIGHTLY)
    nonsense = await http.post("/schedules", data=b"{", headers=JSON)

    assert empty[0] == 422
    assert (taken[0], taken[1]["error"]) == (409, "schedule exists")
    assert nonsense.status == 400


async def test_a_change_that_another_one_overtook_is_refused(
    http: ClientSession, service: ScriptedService
) -> None:
    await call(http, "POST", body=NIGHTLY)

    async def overtake() -> None:
        before = await service.storage.schedule("nightly", slots=0)
        assert before is not None
        other = Declared(
            name="nightly",
            plan=service.app.schedules["in-code"].plan,
            origin=Origin.API,
        )
        await service.storage.put_schedule(other, now=NOW)

    service.on_read = overtake
    status, problem = await call(http, "PATCH", "/nightly", {"cron": "@daily"})

    assert (status, problem["error"]) == (409, "schedule has changed")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/nightly", None),
        ("POST", "", NIGHTLY),
        ("PUT", "/nightly", {"action": "report", "cron": "@daily"}),
        ("PATCH", "/nightly", {"cron": "@daily"}),
        ("DELETE", "/nightly", None),
        ("POST", "/nightly/pause", None),
        ("POST", "/nightly/resume", None),
        ("POST", "/nightly/run", None),
    ],
)
async def test_a_part_that_is_down_is_said(
    http: ClientSession, service: ScriptedService, method: str, path: str, body: object
) -> None:
    service.fault = ActorUnavailable("schedules")

    status, problem = await call(http, method, path, body)

    error = "schedules unavailable" if method == "GET" else "failed to change schedule"
    assert (status, problem["error"]) == (503, error)
