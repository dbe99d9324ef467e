"""What runs, as it is shown: with the line of each handler, as far as that is known."""

import doctest

from aiohttp import ClientSession

from taskqueue.http import handler_lines
from taskqueue.rules.running import (
    HandlerLine,
    HandlerStack,
    Running,
    RunningAttempt,
    RunningStack,
)
from tests.gateway.scripted import NOW, ScriptedService


def attempt(task_id: str, **changes: object) -> RunningAttempt:
    fields: dict[str, object] = {
        "task_id": task_id,
        "action": "send",
        "queue": "mail",
        "attempt": 2,
        "consumer": "consumer-1",
        "executor": "thread",
        "started_at": NOW - 1.5,
        "progress": None,
    }
    return RunningAttempt(**(fields | changes))  # type: ignore[arg-type]


async def test_a_running_attempt_is_shown_with_its_line_in_the_module_of_the_app(
    http: ClientSession, service: ScriptedService
) -> None:
    service.app.folder = "/srv/shop"
    line = HandlerLine(file="/srv/shop/mail/tasks.py", number=12, function="send")
    service.running = Running(
        attempts=(attempt("a", progress='{"done":1}', line=line), attempt("b")), truncated=True
    )

    answer = await http.get("/running")

    assert answer.status == 200
    first, second = (body := await answer.json())["running"]
    assert (body["count"], body["truncated"]) == (2, True)
    assert first == {
        "task_id": "a",
        "action": "send",
        "queue": "mail",
        "attempt": 2,
        "consumer": "consumer-1",
        "executor": "thread",
        "started_at": NOW - 1.5,
        "age_s": 1.5,
        "progress": {"done": 1},
        "line": {"file": "mail/tasks.py", "number": 12, "function": "send"},
    }
    assert (second["progress"], second["line"]) == (None, None)


async def test_nothing_runs(http: ClientSession) -> None:
    answer = await http.get("/running")

    assert await answer.json() == {"running": [], "count": 0, "truncated": False}


async def test_the_stack_of_a_running_task_is_shown_in_the_modules_of_the_app(
    http: ClientSession, service: ScriptedService
) -> None:
    service.app.folder = "/srv/shop"
    task_id = (await (await http.post("/tasks", json={"action": "send"})).json())["id"]
    calls = (
        HandlerLine(file="/srv/shop/tasks.py", number=3, function="send"),
        HandlerLine(file="/opt/<b>.py", number=12, function="deliver"),
    )
    stack = HandlerStack(calls=calls, truncated=True)
    service.stacks[task_id] = RunningStack(attempt=attempt(task_id), stack=stack)

    answer = await http.get(f"/tasks/{task_id}/stack")

    assert answer.status == 200
    assert await answer.json() == {
        "task_id": task_id,
        "attempt": 2,
        "consumer": "consumer-1",
        "executor": "thread",
        "started_at": NOW - 1.5,
        "age_s": 1.5,
        "stack": [
            {"file": "tasks.py", "number": 3, "function": "send"},
            {"file": "/opt/<b>.py", "number": 12, "function": "deliver"},
        ],
        "truncated": True,
    }


async def test_a_task_that_does_not_run_has_no_stack(http: ClientSession) -> None:
    task_id = (await (await http.post("/tasks", json={"action": "send"})).json())["id"]

    idle = await http.get(f"/tasks/{task_id}/stack")
    unknown = await http.get("/tasks/0197a4c8-0000-7000-8000-000000000000/stack")

    assert (idle.status, unknown.status) == (409, 404)
    assert (await idle.json())["detail"] == "It is queued."
    assert (await unknown.json())["error"] == "task not found"


async def test_a_clock_that_was_set_back_makes_no_negative_age(
    http: ClientSession, service: ScriptedService
) -> None:
    service.running = Running(attempts=(attempt("a", started_at=NOW + 5),), truncated=False)

    [shown] = (await (await http.get("/running")).json())["running"]

    assert shown["age_s"] == 0.0


def test_the_examples_in_the_docstrings_are_true() -> None:
    result = doctest.testmod(handler_lines)

    assert result.attempted > 0
    assert result.failed == 0
