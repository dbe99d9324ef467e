"""Lists come in pages that are bounded in entries and in bytes."""

import doctest
from typing import Any

from aiohttp import ClientSession

from taskqueue.http import pages
from taskqueue.http.audit import MAX_BYTES
from taskqueue.http.pages import MAX_PAGE_BYTES
from taskqueue.rules.access import Role
from taskqueue.rules.audit import AuditedChange
from taskqueue.rules.limits import LimitValues
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Origin
from tests.gateway.scripted import NOW, ScriptedService

MB = 1 << 20


async def put(service: ScriptedService, name: str, *, size: int = 0) -> None:
    """Create a schedule with so many bytes of data."""
    data = '{"text":"%s"}' % ("x" * size)
    plan = Plan(action="uppercase", timing=Timing(every_s=60), data=data)
    await service.storage.put_schedule(Declared(name=name, plan=plan, origin=Origin.API), now=NOW)


async def all_pages(http: ClientSession, path: str, field: str, **query: str) -> list[list[Any]]:
    """The entries of each page."""
    found, cursor = [], {}
    while True:
        answer = await http.get(path, params={**query, **cursor})
        assert answer.status == 200, await answer.text()
        page = await answer.json()
        found.append(page[field])
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def names(listed: list[list[Any]]) -> list[list[str]]:
    return [[entry["name"] for entry in page] for page in listed]


async def test_schedules_come_by_name_in_pages(
    http: ClientSession, service: ScriptedService
) -> None:
    for name in "dbace":
        await put(service, name)

    found = await all_pages(http, "/schedules", "schedules", limit="2")

    assert names(found) == [["a", "b"], ["c", "d"], ["e"]]


async def test_a_page_of_schedules_has_four_megabytes_of_data_or_one_schedule(
    http: ClientSession, service: ScriptedService
) -> None:
    sizes = {"a": 2 * MB - 100, "b": 2 * MB - 100, "c": 1, "d": 5 * MB, "e": 1}
    for name, size in sizes.items():
        await put(service, name, size=size)

    found = await all_pages(http, "/schedules", "schedules")

    assert MAX_PAGE_BYTES == 4 * MB
    assert names(found) == [["a", "b", "c"], ["d"], ["e"]]


async def test_limits_come_by_name_in_pages(http: ClientSession, service: ScriptedService) -> None:
    for name in "cab":
        await service.storage.change_limit(name, LimitValues(running=1), now=NOW)

    found = await all_pages(http, "/limits", "limits", limit="2")

    assert names(found) == [["a", "b"], ["c"]]


async def test_a_limit_that_is_not_there_is_told_with_some_that_are(
    http: ClientSession, service: ScriptedService
) -> None:
    for n in range(25):
        await service.storage.change_limit(f"limit-{n:02}", LimitValues(running=1), now=NOW)

    answer = await http.get("/limits/other")

    detail = (await answer.json())["detail"]
    assert answer.status == 404
    assert "limit-19 and 5 more" in detail
    assert "limit-20" not in detail


def change(place: int, **fields: Any) -> AuditedChange:
    known = {"role": Role.ADMIN, "who": "ci", "remote": "::1", "method": "POST", "status": 200}
    id_ = f"{place:08x}-0000-7000-8000-000000000000"
    return AuditedChange(**{"id": id_, "at": NOW, "path": "/dead/redrive", **known, **fields})


async def test_a_page_of_the_trail_is_bounded_in_bytes(
    http: ClientSession, service: ScriptedService
) -> None:
    await service.storage.record_changes([change(n, path="é" * 1_000) for n in range(1_200)])

    found = await all_pages(http, "/audit", "changes", limit="1000")

    places = [int(each["id"][:8], 16) for page in found for each in page]
    assert places == list(range(1_200))[::-1]
    for page in found:
        assert sum(len(each["path"].encode()) for each in page) <= MAX_BYTES
    assert len(found) == 3


async def test_the_trail_is_asked_for_one_task(
    http: ClientSession, service: ScriptedService
) -> None:
    [task, other] = [f"0197a4c8-0000-7000-8000-{n:012}" for n in range(2)]
    await service.storage.record_changes(
        [
            change(1, path=f"/tasks/{task}/cancel"),
            change(2, path=f"/tasks/{other}/cancel"),
            change(3, path="/dead/redrive", body=f'{{"ids":["{other}","{task}"]}}'),
            change(4, path="/tasks/cancel?all=true"),
        ]
    )
    await http.post("/queues/default/pause", headers={"Content-Type": "application/json"})

    found = await all_pages(http, "/audit", "changes", task=task.upper(), limit="1")

    assert [each["path"] for page in found for each in page] == [
        "/dead/redrive",
        f"/tasks/{task}/cancel",
    ]


async def test_a_change_that_is_not_stored_yet_is_found_by_its_task(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await http.post("/tasks", json={"action": "uppercase", "delay_s": 60})
    task_id = (await answer.json())["id"]
    await http.patch(f"/tasks/{task_id}", json={"priority": 3})
    await http.post(f"/tasks/{task_id}/clone")

    [changes] = await all_pages(http, "/audit", "changes", task=task_id)

    assert [(each["method"], each["path"]) for each in changes] == [
        ("POST", f"/tasks/{task_id}/clone"),
        ("PATCH", f"/tasks/{task_id}"),
    ]


async def test_what_is_no_id_of_a_task_is_refused(http: ClientSession) -> None:
    answer = await http.get("/audit", params={"task": "17"})

    assert answer.status == 422
    [fault] = (await answer.json())["faults"]
    assert fault == {"field": "task", "message": "must be the id of a task"}


def test_the_docstrings_tell_the_truth() -> None:
    found = doctest.testmod(pages)

    assert found.attempted > 0
    assert found.failed == 0
