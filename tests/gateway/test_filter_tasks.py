"""Which tasks a list shows, and in which order."""

from typing import Any

import pytest
from aiohttp import ClientSession
from msgspec.structs import replace

from taskqueue.commands import Enqueue
from taskqueue.ids import new_id
from taskqueue.rules.filters import MAX_ROWS
from taskqueue.rules.options import NO_CHOICE, Options
from taskqueue.rules.tasks import AttemptOutcome, Cancel, Complete, DeadLetter, NewTask
from tests.gateway.scripted import NOW, ScriptedService

DEAD = DeadLetter(
    reason="OSError: no such host", outcome=AttemptOutcome.FAILED, error="OSError: no such host"
)


async def queue(service: ScriptedService, text: str = "hi", options: Options = NO_CHOICE) -> str:
    task = service.app.prepare("uppercase", b'{"text": "%b"}' % text.encode(), options=options)
    await service(Enqueue(tasks=(task,)))
    return task.id


async def one_of_each_end(service: ScriptedService) -> list[str]:
    made = [await queue(service) for _ in range(4)]
    for settlement in (Complete(result="1"), DEAD, Cancel(reason="unwanted")):
        await service.settle_next(settlement)
    return made


async def ids(http: ClientSession, **query: str) -> list[str]:
    answer = await http.get("/tasks", params=query)
    assert answer.status == 200, await answer.text()
    return [task["id"] for task in (await answer.json())["tasks"]]


async def test_several_statuses_are_listed_together(
    http: ClientSession, service: ScriptedService
) -> None:
    _, dead, cancelled, queued = await one_of_each_end(service)

    both = await ids(http, status="dead,cancelled")
    waiting = await ids(http, status="queued,scheduled,retrying,queued")

    assert both == [cancelled, dead]
    assert waiting == [queued]


async def test_the_oldest_come_first_if_asked_for(
    http: ClientSession, service: ScriptedService
) -> None:
    made = await one_of_each_end(service)

    first = await (await http.get("/tasks?sort=oldest&limit=3")).json()
    rest = await ids(http, sort="oldest", cursor=first["next"])

    assert [task["id"] for task in first["tasks"]] + rest == made


async def test_instants_are_numbers_or_dates(http: ClientSession, service: ScriptedService) -> None:
    done, dead, cancelled, queued = await one_of_each_end(service)
    date = "2027-01-15T08:00:00Z"  # NOW

    assert await ids(http, created_after=str(NOW)) == [queued, cancelled, dead, done]
    assert await ids(http, created_before=date) == []
    assert await ids(http, ended_after=date) == [cancelled, dead, done]
    assert await ids(http, ended_before="2027-01-15T09:00:01+01:00") == [cancelled, dead, done]
    assert await ids(http, ended_before=str(NOW)) == []


async def test_an_age_counts_back_from_now(http: ClientSession, service: ScriptedService) -> None:
    old, new = (
        NewTask(
            id=f"0197a4c8-0000-7000-8000-00000000000{n}",
            action="uppercase",
            payload='{"action":"uppercase","data":{}}',
        )
        for n in range(2)
    )
    await service.storage.insert([old], now=NOW - 60.0)
    await service.storage.insert([new], now=NOW - 59.0)

    aged = await ids(http, min_age_s="59.5")
    both = await ids(http, min_age_s="59.5", created_before=str(NOW - 70))

    assert (aged, both) == ([old.id], [])


async def test_text_and_keys_are_found(http: ClientSession, service: ScriptedService) -> None:
    keyed = await queue(service, "needle", Options(unique_key="order 7"))
    failed = await queue(service)
    await queue(service, "Needle")
    await service.settle_next(Cancel(reason="no"))
    await service.settle_next(DEAD)

    assert await ids(http, text="needle") == [keyed]
    assert await ids(http, text="no such host", status="dead") == [failed]
    assert await ids(http, unique_key="order 7") == [keyed]
    assert await ids(http, unique_key="order 7", status="dead") == []


async def test_a_search_that_takes_long_answers_in_parts(
    http: ClientSession, service: ScriptedService
) -> None:
    wanted = await queue(service, "needle")
    other = service.app.prepare("uppercase", b'{"text": "hay"}')
    hay = [
        NewTask(id=service.app.prepare("uppercase").id, action=other.action, payload=other.payload)
        for _ in range(MAX_ROWS)
    ]
    await service(Enqueue(tasks=tuple(hay)))

    first = await (await http.get("/tasks?text=needle")).json()
    second = await (await http.get(f"/tasks?text=needle&cursor={first['next']}")).json()

    assert first == {"tasks": [], "count": 0, "next": hay[0].id, "truncated": True}
    assert ([task["id"] for task in second["tasks"]], second["next"]) == ([wanted], None)


@pytest.mark.parametrize(
    ("query", "faulty", "allowed"),
    [
        ("status=dead,done", "status", "separated by commas"),
        ("status=dead,", "status", "separated by commas"),
        ("sort=best", "sort", "newest, oldest"),
        ("created_after=yesterday", "created_after", "ISO 8601"),
        ("created_after=2027-01-15T08:00:00", "created_after", "time zone"),
        ("ended_before=-1", "ended_before", "since 1970"),
        ("ended_before=1e300", "ended_before", "since 1970"),
        ("min_age_s=-1", "min_age_s", "seconds"),
        ("min_age_s=nan", "min_age_s", "seconds"),
        ("unique_key=", "unique_key", "printable"),
        ("text=", "text", "1 to 1000"),
    ],
)
async def test_a_filter_that_cannot_be_meant_is_refused_with_what_can(
    http: ClientSession, query: str, faulty: str, allowed: str
) -> None:
    answer = await http.get(f"/tasks?{query}")

    problem: dict[str, Any] = await answer.json()
    [fault] = problem["faults"]
    assert (answer.status, fault["field"]) == (422, faulty)
    assert allowed in fault["message"]


async def test_the_trace_of_a_request_is_shown_and_finds_its_tasks(http: ClientSession) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    header = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    body = [{"action": "uppercase"}, {"action": "uppercase"}]

    traced = await (await http.post("/tasks", json=body, headers=header)).json()
    await http.post("/tasks", json=body, headers={"traceparent": "00-nonsense"})
    found = await (await http.get("/tasks", params={"trace": trace})).json()
    wrong = await http.get("/tasks", params={"trace": trace.upper()})

    assert {t["id"] for t in found["tasks"]} == {t["id"] for t in traced["tasks"]}
    assert [t["traceparent"] for t in found["tasks"]] == [header["traceparent"]] * 2
    assert wrong.status == 422


async def test_where_a_task_comes_from_is_shown_and_finds_the_children_of_its_parent(
    http: ClientSession, service: ScriptedService
) -> None:
    parent, child = (new_id() for _ in range(2))
    prepared = service.app.prepare("uppercase")
    tasks = [
        replace(prepared, id=child, parent=parent),
        replace(prepared, id=new_id(), schedule="nightly"),
    ]
    await service.storage.insert(tasks, now=NOW)

    found = await (await http.get("/tasks", params={"parent": parent.upper()})).json()
    every = await (await http.get("/tasks", params={"fields": "id,parent,schedule"})).json()
    shown = await (await http.get(f"/tasks/{child}")).json()
    wrong = await http.get("/tasks", params={"parent": "import-17"})

    assert [(task["id"], task["parent"]) for task in found["tasks"]] == [(child, parent)]
    assert every["tasks"] == [
        {"id": tasks[1].id, "schedule": "nightly"},
        {"id": child, "parent": parent},
    ]
    assert shown["parent"] == parent
    assert "schedule" not in shown
    assert wrong.status == 422
    [fault] = (await wrong.json())["faults"]
    assert fault["field"] == "parent"
    assert "the id of a task" in fault["message"]
