"""The audit trail: who has changed what, and from where."""

import json

import pytest
from aiohttp import ClientSession

from taskqueue.errors import StorageUnavailable
from taskqueue.http.audit import KEPT, AuditTrail, Change
from taskqueue.rules.access import Role
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, ScriptedService

UNKNOWN = "0197a4c8-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


def change(at: float) -> Change:
    return Change(at=at, who="ci", remote="::1", method="POST", path="/tasks", status=202)


async def trail(http: ClientSession, **headers: str) -> list[dict[str, object]]:
    answer = await http.get("/audit", headers=headers)
    assert answer.status == 200
    changes: list[dict[str, object]] = (await answer.json())["changes"]
    return changes


async def test_each_change_is_listed_newest_first(http: ClientSession) -> None:
    await http.post("/queues/mail/pause", headers=JSON)
    await http.get("/tasks")
    await http.post("/tasks", json={"action": "uppercase"})

    changes = await trail(http)

    assert changes == [
        {
            "at": NOW,
            "who": "local",
            "remote": "127.0.0.1",
            "method": "POST",
            "path": path,
            "status": status,
            "body": None,
        }
        for path, status in (("/tasks", 202), ("/queues/mail/pause", 200))
    ]


async def test_a_change_is_an_event_with_the_name_of_its_token(
    http: ClientSession, service: ScriptedService, events: EventLog
) -> None:
    token = {"Authorization": f"Bearer {await service.grant(Role.ADMIN, 'ci')}"}

    await http.post("/tasks", json={"action": "uppercase"}, headers=token)
    await http.post("/queues/mail/pause", headers={**token, **JSON})

    queued, paused = events.select("audit_change")
    assert (queued["who"], queued["path"], queued["level"]) == ("ci", "/tasks", "debug")
    assert (paused["who"], paused["path"], paused["level"]) == ("ci", "/queues/mail/pause", "info")
    assert [each["who"] for each in await trail(http, **token)] == ["ci", "ci"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/dead/delete", {"action": "uppercase"}),
        ("POST", "/dead/redrive", {"all": True}),
        ("PUT", "/supervision/consumers", {"count": 4}),
    ],
)
async def test_a_body_that_says_what_is_changed_is_in_the_trail(
    http: ClientSession, events: EventLog, method: str, path: str, body: dict[str, object]
) -> None:
    await http.request(method, path, json=body)

    [change] = await trail(http)
    [event] = events.select("audit_change")
    assert (change["path"], json.loads(str(change["body"]))) == (path, body)
    assert event["body"] == change["body"]


async def test_the_filters_of_a_bulk_change_are_in_the_trail(http: ClientSession) -> None:
    selected = "/tasks/cancel?action=uppercase&text=x"

    await http.post(selected, headers=JSON)
    await http.post(f"/tasks/cancel?text={'x' * 1_000}", headers=JSON)

    long, short = await trail(http)
    assert short["path"] == selected
    assert len(str(long["path"])) == 1_000


async def test_a_long_body_is_cut_and_the_data_of_tasks_is_in_no_trail(
    http: ClientSession, events: EventLog
) -> None:
    await http.post("/dead/delete", json={"ids": [UNKNOWN] * 1000})
    await http.post("/tasks", json={"action": "uppercase", "data": {"text": "secret"}})

    queued, deleted = await trail(http)
    assert queued["body"] is None
    assert len(str(deleted["body"])) == 1001
    assert "body" not in events.select("audit_change")[1]


async def test_what_changed_nothing_is_not_in_the_trail(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.grant(Role.ADMIN)
    admin = {"Authorization": "Bearer tq_admin"}

    answers = [
        await http.post("/queues/mail/pause", headers=JSON),
        await http.delete(f"/tasks/{UNKNOWN}", headers=admin),
        await http.post("/tasks", data=b"{", headers=admin),
    ]

    assert [answer.status for answer in answers] == [401, 404, 400]
    assert await trail(http, **admin) == []


async def test_a_change_whose_outcome_is_unknown_is_in_the_trail(
    http: ClientSession, service: ScriptedService
) -> None:
    service.lost_answer = StorageUnavailable("writer lost")

    answer = await http.post("/tasks", json={"action": "uppercase"})

    assert answer.status == 503
    assert [each["status"] for each in await trail(http)] == [503]


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1001", "²", "9" * 5_000])
async def test_a_limit_that_is_not_allowed_is_named(http: ClientSession, limit: str) -> None:
    answer = await http.get("/audit", params={"limit": limit})

    assert answer.status == 422
    assert (await answer.json())["faults"][0]["field"] == "limit"


def test_many_enqueues_do_not_drop_what_an_administrator_did() -> None:
    kept = AuditTrail()
    kept.record(change(0.0), Role.ADMIN)

    for at in range(1, 2 * KEPT):
        kept.record(change(float(at)), Role.ENQUEUE)

    latest = kept.latest(2 * KEPT)
    assert len(latest) == KEPT + 1
    assert (latest[0].at, latest[-1].at) == (2 * KEPT - 1, 0.0)
    assert [each.at for each in kept.latest(1)] == [2 * KEPT - 1]
