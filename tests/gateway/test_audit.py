"""The audit trail: who has changed what, and from where."""

import json
from collections.abc import Iterable

import pytest
from aiohttp import ClientSession

from taskqueue.errors import StorageUnavailable
from taskqueue.http import guard
from taskqueue.http.audit import KEPT, AuditTrail
from taskqueue.http.audit_writer import BATCH, AuditWriter
from taskqueue.http.state import HttpState
from taskqueue.rules.access import Role
from taskqueue.rules.audit import MAX_STORED, AuditedChange
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, ScriptedService

UNKNOWN = "0197a4c8-0000-7000-8000-000000000000"
JSON = {"Content-Type": "application/json"}


def change(place: int, role: Role = Role.ADMIN) -> AuditedChange:
    return AuditedChange(
        id=f"{place:08x}-0000-7000-8000-000000000000",
        at=NOW,
        role=role,
        who="ci",
        remote="::1",
        method="POST",
        path="/tasks",
        status=202,
    )


def places(changes: Iterable[AuditedChange]) -> list[int]:
    return [int(each.id[:8], 16) for each in changes]


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

    ids = [str(each.pop("id")) for each in changes]
    assert ids == sorted(ids, reverse=True)
    assert changes == [
        {
            "at": NOW,
            "role": role,
            "who": "local",
            "remote": "127.0.0.1",
            "method": "POST",
            "path": path,
            "status": status,
            "body": None,
        }
        for role, path, status in (
            ("enqueue", "/tasks", 202),
            ("admin", "/queues/mail/pause", 200),
        )
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


async def test_the_trail_is_read_page_by_page(
    http: ClientSession, service: ScriptedService, state: HttpState
) -> None:
    await service.storage.record_changes([change(place) for place in (1, 2, 4)])
    state.trail.record(change(3, Role.ENQUEUE), is_enqueue=True)
    state.trail.record(change(5), is_enqueue=False)
    state.trail.record(change(4), is_enqueue=False)  # stored, and its answer was lost

    pages, cursor = [], {}
    for _ in range(3):
        page = await (await http.get("/audit", params={"limit": "2", **cursor})).json()
        pages.append([int(each["id"][:8], 16) for each in page["changes"]])
        cursor = {"cursor": page["next"]}

    assert pages == [[5, 4], [3, 2], [1]]
    assert page["next"] is None


def test_bytes_that_are_no_text_are_replaced() -> None:
    assert guard._shown("/tasks/cancel?text=\udcff") == "/tasks/cancel?text=?"


async def test_without_its_storage_the_trail_is_unavailable(
    http: ClientSession, service: ScriptedService
) -> None:
    await http.post("/queues/mail/pause", headers=JSON)
    service.fault = StorageUnavailable("closed")

    answer = await http.get("/audit")

    assert (answer.status, (await answer.json())["error"]) == (503, "audit trail unavailable")


# --- what is in memory ----------------------------------------------------------------------------


def test_many_enqueues_do_not_drop_what_an_administrator_did() -> None:
    kept = AuditTrail()
    kept.record(change(0), is_enqueue=False)

    for place in range(1, 2 * KEPT):
        kept.record(change(place, Role.ENQUEUE), is_enqueue=True)

    assert sorted(places(kept.in_memory())) == [0, *range(KEPT, 2 * KEPT)]


def test_in_a_long_outage_the_latest_changes_are_kept() -> None:
    kept = AuditTrail()

    for place in range(MAX_STORED + 2):
        kept.record(change(place), is_enqueue=False)

    assert kept.count == MAX_STORED
    assert places(kept.unstored(1)) == [2]


async def test_all_but_enqueues_is_stored_in_batches(service: ScriptedService) -> None:
    kept = AuditTrail()
    for place in range(BATCH + 1):
        kept.record(change(place), is_enqueue=False)
    kept.record(change(BATCH + 1, Role.ENQUEUE), is_enqueue=True)

    await AuditWriter(service, kept).finish()

    assert len(await service.storage.changes(limit=MAX_STORED)) == BATCH + 1
    assert places(kept.in_memory()) == [BATCH + 1]


async def test_what_could_not_be_stored_is_logged_at_the_stop_and_kept(
    service: ScriptedService, events: EventLog
) -> None:
    kept = AuditTrail()
    kept.record(change(1), is_enqueue=False)
    service.fault = StorageUnavailable("disk full")

    await AuditWriter(service, kept).finish()

    [lost] = events.select("audit_lost")
    assert (lost["changes"], "disk full" in str(lost["reason"])) == (1, True)
    assert kept.count == 1
