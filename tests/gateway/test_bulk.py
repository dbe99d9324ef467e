"""Cancelling, redriving, deleting and running now all tasks that match."""

from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.commands import CountTasks, Enqueue
from taskqueue.http.tasks import bulk
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter, Requeue, Status
from tests.gateway.scripted import NOW, ScriptedService

JSON = {"Content-Type": "application/json"}
DEAD = DeadLetter(reason="OSError", outcome=AttemptOutcome.FAILED, error="OSError")


async def queue(service: ScriptedService, count: int, action: str = "uppercase") -> None:
    tasks = tuple(service.app.prepare(action) for _ in range(count))
    await service(Enqueue(tasks=tasks))


async def post(http: ClientSession, verb: str, **query: str) -> dict[str, Any]:
    answer = await http.post(f"/tasks/{verb}", params=query, headers=JSON)
    assert answer.status == 200, await answer.text()
    progress: dict[str, Any] = await answer.json()
    return progress


async def left(service: ScriptedService) -> dict[Status, int]:
    counts = await service(CountTasks())
    return {status: count for status, count in counts.items() if count}


async def test_all_that_match_are_cancelled_and_no_other(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 3)
    await queue(service, 2, "send")

    progress = await post(http, "cancel", action="send", reason="not wanted")

    [task, _] = await service.storage.find(status=Status.CANCELLED, limit=2, now=NOW)
    assert progress == {"matched": 2, "done": 2, "next": None}
    assert await left(service) == {Status.QUEUED: 3, Status.CANCELLED: 2}
    assert (task.action, task.reason) == ("send", "not wanted")


async def test_the_dead_are_redriven_and_what_has_ended_is_deleted(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 4)
    for settlement in (DEAD, DEAD, Complete(result="1")):
        await service.settle_next(settlement)

    redriven = await post(http, "redrive", text="OSError")
    deleted = await post(http, "delete", all="true")

    assert (redriven["done"], deleted["done"]) == (2, 1)
    assert await left(service) == {Status.QUEUED: 3}


async def test_what_waits_for_its_time_or_its_next_attempt_is_made_due(
    http: ClientSession, service: ScriptedService
) -> None:
    later = service.app.prepare("uppercase", options=Options(run_at=NOW + 3600))
    await service(Enqueue(tasks=(later,)))
    await queue(service, 2)
    await service.settle_next(
        Requeue(run_at=NOW + 60.0, outcome=AttemptOutcome.FAILED, error="OSError")
    )

    progress = await post(http, "run-now", all="true")

    tasks = await service.storage.find(limit=9, now=NOW)
    assert progress == {"matched": 2, "done": 2, "next": None}
    assert await left(service) == {Status.QUEUED: 2, Status.RETRYING: 1}
    assert all(task.run_at <= NOW for task in tasks)


async def test_a_dry_run_counts_and_changes_nothing(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 3)

    progress = await post(http, "cancel", all="true", dry_run="true")

    assert progress == {"matched": 3, "done": 0, "next": None}
    assert await left(service) == {Status.QUEUED: 3}


async def test_a_request_that_takes_long_answers_how_far_it_came(
    http: ClientSession, service: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "WORK_S", 0.0)
    monkeypatch.setattr(bulk, "PART", 2)
    await queue(service, 5)

    first = await post(http, "cancel", queue="default")
    after_first = await left(service)
    second = await post(http, "cancel", queue="default", cursor=first["next"])
    third = await post(http, "cancel", queue="default", cursor=second["next"])

    assert [each["done"] for each in (first, second, third)] == [2, 2, 1]
    assert after_first == {Status.QUEUED: 3, Status.CANCELLED: 2}
    assert third["next"] is None
    assert await left(service) == {Status.CANCELLED: 5}


@pytest.mark.parametrize(
    ("verb", "query", "faulty"),
    [
        ("cancel", "", "all"),
        ("cancel", "all=false", "all"),
        ("cancel", "status=queued,dead", "status"),
        ("redrive", "status=completed", "status"),
        ("delete", "status=running", "status"),
        ("run-now", "status=queued", "status"),
        ("delete", "reason=x&all=true", "reason"),
        ("delete", "all=yes", "all"),
    ],
)
async def test_what_cannot_be_meant_is_refused_and_changes_nothing(
    http: ClientSession, service: ScriptedService, verb: str, query: str, faulty: str
) -> None:
    await queue(service, 1)

    answer = await http.post(f"/tasks/{verb}?{query}", headers=JSON)

    problem = await answer.json()
    assert (answer.status, [fault["field"] for fault in problem["faults"]]) == (422, [faulty])
    assert await left(service) == {Status.QUEUED: 1}
