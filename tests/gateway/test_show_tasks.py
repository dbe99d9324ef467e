"""Reading tasks, and bringing dead ones back."""

from typing import Any

import pytest
from aiohttp import ClientSession

from taskqueue.commands import CancelTask, Enqueue, Pause
from taskqueue.errors import ActorUnavailable, StorageUnavailable
from taskqueue.rules.options import NO_CHOICE, Options
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter, Requeue, Status
from tests.gateway.scripted import NOW, ScriptedService

NOBODY = "0197a4c8-0000-7000-8000-000000000000"
DEAD = DeadLetter(
    reason="no use", outcome=AttemptOutcome.FAILED, error="ValueError: no", traceback="…"
)


async def queue(
    service: ScriptedService,
    count: int = 1,
    *,
    action: str = "uppercase",
    options: Options = NO_CHOICE,
) -> list[str]:
    data = b'{"text": "hi"}' if action == "uppercase" else b"{}"
    tasks = [service.app.prepare(action, data, options=options) for _ in range(count)]
    await service(Enqueue(tasks=tuple(tasks)))
    return [task.id for task in tasks]


async def get(http: ClientSession, path: str, **query: str) -> Any:
    answer = await http.get(path, params=query)
    assert answer.status == 200, await answer.text()
    return await answer.json()


def ids(page: dict[str, Any]) -> list[str]:
    return [task["id"] for task in page["tasks"]]


async def test_a_task_is_shown_with_its_payload_and_result_as_json(
    http: ClientSession, service: ScriptedService
) -> None:
    [task_id] = await queue(service)
    await service.settle_next(Complete(result='{"output":"HI"}'))

    page = await get(http, "/tasks")

    [task] = page["tasks"]
    assert task == {
        "id": task_id,
        "payload": {"action": "uppercase", "data": {"text": "hi"}},
        "status": "completed",
        "result": {"output": "HI"},
        "created_at": NOW,
        "processed_at": NOW,
        "action": "uppercase",
        "queue": "default",
        "priority": 0,
        "attempt": 1,
        "max_attempts": 5,
        "crashes": 0,
        "deliveries": 1,
        "run_at": NOW,
        "started_at": NOW,
        "reason": None,
    }
    assert (page["count"], page["next"]) == (1, None)


async def test_a_result_of_null_and_no_result_look_the_same_but_for_the_status(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 2)
    await service.settle_next(Complete(result="null"))

    tasks = (await get(http, "/tasks"))["tasks"]

    assert {(task["status"], task["result"]) for task in tasks} == {
        ("queued", None),
        ("completed", None),
    }


async def test_no_tasks_are_an_empty_page(http: ClientSession) -> None:
    page = await get(http, "/tasks")

    assert page == {"tasks": [], "count": 0, "next": None}


async def test_pages_follow_each_other_from_the_newest_to_the_oldest(
    http: ClientSession, service: ScriptedService
) -> None:
    queued = await queue(service, 5)

    first = await get(http, "/tasks", limit="2")
    second = await get(http, "/tasks", limit="2", cursor=first["next"])
    third = await get(http, "/tasks", limit="2", cursor=second["next"])

    assert ids(first) + ids(second) + ids(third) == queued[::-1]
    assert [page["count"] for page in (first, second, third)] == [2, 2, 1]
    assert third["next"] is None


async def test_a_page_that_takes_the_last_task_has_none_after_it(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 2)

    page = await get(http, "/tasks", limit="2")

    assert page["next"] is None


async def test_a_page_has_a_hundred_tasks_at_most(
    http: ClientSession, service: ScriptedService
) -> None:
    queued = await queue(service, 101)

    page = await get(http, "/tasks")

    assert page["count"] == 100
    assert ids(await get(http, "/tasks", cursor=page["next"])) == queued[:1]


async def test_tasks_are_listed_by_status(http: ClientSession, service: ScriptedService) -> None:
    first, second = await queue(service, 2)
    await service.settle_next(Complete(result="1"))

    completed = await get(http, "/tasks", status="completed")
    queued = await get(http, "/tasks", status="queued")

    assert (ids(completed), ids(queued)) == ([first], [second])


async def test_tasks_are_listed_by_action_and_by_queue(
    http: ClientSession, service: ScriptedService
) -> None:
    [upper] = await queue(service)
    [mail] = await queue(service, action="send")
    [upper_mail] = await queue(service, options=Options(queue="mail"))

    by_action = await get(http, "/tasks", action="uppercase")
    by_queue = await get(http, "/tasks", queue="mail")
    by_both = await get(http, "/tasks", action="uppercase", queue="mail", status="queued")
    by_nobody = await get(http, "/tasks", action="lowercase")

    assert ids(by_action) == [upper_mail, upper]
    assert ids(by_queue) == [upper_mail, mail]
    assert ids(by_both) == [upper_mail]
    assert ids(by_nobody) == []


async def test_a_cursor_goes_on_within_what_matches(
    http: ClientSession, service: ScriptedService
) -> None:
    first = await queue(service, 2)
    await queue(service, action="send")
    last = await queue(service)

    newest = await get(http, "/tasks", action="uppercase", limit="2")
    oldest = await get(http, "/tasks", action="uppercase", limit="2", cursor=newest["next"])

    assert ids(newest) == [*last, first[1]]
    assert ids(oldest) == [first[0]]
    assert oldest["next"] is None


@pytest.mark.parametrize(
    ("query", "faulty", "allowed"),
    [
        ("status=done", {"status"}, "completed"),
        ("status=", {"status"}, "queued"),
        ("status=queued&status=dead", {"status"}, "twice"),
        ("limit=0", {"limit"}, "1 to 100"),
        ("limit=101", {"limit"}, "1 to 100"),
        ("limit=ten", {"limit"}, "1 to 100"),
        ("limit=-1", {"limit"}, "1 to 100"),
        ("limit=%D9%A1", {"limit"}, "1 to 100"),
        ("cursor=1", {"cursor"}, "next"),
        ("action=", {"action"}, "name"),
        (f"queue={'x' * 129}", {"queue"}, "128"),
        ("offset=7", {"offset"}, "status, limit, cursor"),
        ("status=x&limit=x&cursor=x&x=x", {"status", "limit", "cursor", "x"}, ""),
    ],
)
async def test_every_wrong_parameter_is_named_with_what_is_allowed(
    http: ClientSession, query: str, faulty: set[str], allowed: str
) -> None:
    answer = await http.get(f"/tasks?{query}")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (422, "invalid query")
    assert {fault["field"] for fault in problem["faults"]} == faulty
    assert allowed in problem["faults"][0]["message"]


async def test_a_task_is_shown_with_every_attempt(
    http: ClientSession, service: ScriptedService
) -> None:
    [task_id] = await queue(service)
    again = Requeue(
        run_at=NOW, outcome=AttemptOutcome.FAILED, error="OSError: gone", traceback="Traceback …"
    )
    await service.settle_next(again)
    await service.settle_next(Complete(result="1"))

    task = await get(http, f"/tasks/{task_id}")

    assert (task["id"], task["status"], task["result"]) == (task_id, "completed", 1)
    assert task["attempts"][0] == {
        "attempt": 1,
        "outcome": "failed",
        "error": "OSError: gone",
        "traceback": "Traceback …",
        "started_at": NOW,
        "ended_at": NOW,
    }
    assert task["attempts"][-1]["outcome"] == "completed"


async def test_progress_key_and_wish_to_cancel_are_shown_where_there_is_one(
    http: ClientSession, service: ScriptedService
) -> None:
    [task_id] = await queue(service, options=Options(unique_key="k"))
    delivery = await service.start_next()
    await service.storage.report({delivery.token: '{"done": 0.5}'}, now=NOW)
    await service(CancelTask(task_id=task_id, reason="not wanted"))

    shown = await get(http, f"/tasks/{task_id}")
    [listed] = (await get(http, "/tasks"))["tasks"]

    for task in (shown, listed):
        assert task["progress"] == {"done": 0.5}
        assert task["unique_key"] == "k"
        assert task["cancel_reason"] == "not wanted"
        assert task["status"] == "running"


async def test_a_task_that_waits_says_why_and_one_that_ended_does_not(
    http: ClientSession, service: ScriptedService
) -> None:
    first, second = await queue(service, 2)
    [later] = await queue(service, options=Options(delay_s=14.0))
    [mail] = await queue(service, action="send")
    await service(Pause(queue="mail"))

    told = {
        task_id: (await get(http, f"/tasks/{task_id}")).get("waiting_for")
        for task_id in (first, second, later, mail)
    }
    await service.settle_next(Complete(result="1"))
    ended = await get(http, f"/tasks/{first}")

    assert told == {
        first: "next in line; waits for a free slot of 2 consumers",
        second: "waits for a free slot; 2nd in line",
        later: "due in 14 s",
        mail: "queue 'mail' is paused since 2027-01-15 08:00:00 UTC",
    }
    assert "waiting_for" not in ended


async def test_an_id_is_found_in_capitals_too(
    http: ClientSession, service: ScriptedService
) -> None:
    [task_id] = await queue(service)

    task = await get(http, f"/tasks/{task_id.upper()}")

    assert task["id"] == task_id


@pytest.mark.parametrize("task_id", [NOBODY, f"urn:uuid:{NOBODY}", "7", "x" * 1000, "%00", "%ff"])
async def test_what_is_not_there_is_not_found(http: ClientSession, task_id: str) -> None:
    shown = await http.get(f"/tasks/{task_id}")
    redriven = await http.post(f"/tasks/{task_id}/redrive")

    for answer in (shown, redriven):
        problem = await answer.json()
        assert (answer.status, problem["error"]) == (404, "task not found")


async def test_a_dead_task_is_queued_again(http: ClientSession, service: ScriptedService) -> None:
    [task_id] = await queue(service)
    await service.settle_next(DEAD)

    answer = await http.post(f"/tasks/{task_id}/redrive")

    assert answer.status == 202
    assert await answer.json() == {"id": task_id, "status": "queued"}
    assert (await get(http, f"/tasks/{task_id}"))["status"] == "queued"


async def test_only_dead_tasks_are_redriven(http: ClientSession, service: ScriptedService) -> None:
    [task_id] = await queue(service)

    answer = await http.post(f"/tasks/{task_id}/redrive")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (409, "task is not dead")


async def test_stats_say_how_many_tasks_stand_where(
    http: ClientSession, service: ScriptedService
) -> None:
    await queue(service, 3)
    await service.settle_next(Complete(result="1"))

    stats = await get(http, "/stats")

    assert stats["tasks"] == dict.fromkeys(map(str, Status), 0) | {"queued": 2, "completed": 1}


@pytest.mark.parametrize("fault", [StorageUnavailable("disk full"), ActorUnavailable("database")])
@pytest.mark.parametrize("path", ["/tasks", f"/tasks/{NOBODY}", "/stats"])
async def test_who_cannot_be_answered_now_is_invited_back(
    http: ClientSession, service: ScriptedService, path: str, fault: Exception
) -> None:
    service.fault = fault

    answer = await http.get(path)

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (503, "database unavailable")
    assert answer.headers["Retry-After"] == "1"
