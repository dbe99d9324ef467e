"""The OpenAPI document is true: each answer that it names occurs, and has the form it gives."""

import doctest
import io
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import jsonschema_rs
import pytest
from aiohttp import ClientResponse, ClientSession

from taskqueue.commands import CloseGroup, Enqueue
from taskqueue.dashboard.files import page
from taskqueue.errors import ActorUnavailable
from taskqueue.http import application, queries
from taskqueue.http.bodies import MAX_BODY_BYTES
from taskqueue.http.documentation.openapi import document
from taskqueue.http.server.limits import MAX_LINE_BYTES
from taskqueue.rules.access import Role
from taskqueue.rules.groups import Close
from taskqueue.rules.health import Readiness
from taskqueue.rules.limits import LimitUse, LimitValues
from taskqueue.rules.options import Options
from taskqueue.rules.running import HandlerLine, HandlerStack, RunningAttempt, RunningStack
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Origin
from taskqueue.rules.tasks import AttemptOutcome, Complete, DeadLetter, NewTask, Owner
from taskqueue.testing.contract.nodes import heartbeat
from tests.gateway.scripted import NOW, ScriptedService, leaf, table_of

UNKNOWN = "0197a4c8-0000-7000-8000-000000000000"
DEAD = DeadLetter(reason="lost", outcome=AttemptOutcome.FAILED, error="OSError: lost")
JSON = {"Content-Type": "application/json"}


def described() -> dict[str, Any]:
    service = ScriptedService()
    return document(table_of(service), service.app)


DOCUMENT = described()


class Documented(NamedTuple):
    """One answer of one operation."""

    operation: str
    status: str
    method: str
    path: str
    spec: dict[str, Any]

    @property
    def example(self) -> Any:
        body = self.spec.get("requestBody")
        if body is None:
            return None
        return next(iter(body["content"]["application/json"]["examples"].values()))["value"]


ANSWERS = [
    Documented(spec["operationId"], status, method.upper(), path, spec)
    for path, item in DOCUMENT["paths"].items()
    for method, spec in item.items()
    for status in spec["responses"]
]

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def essence(media_type: str) -> str:
    """Return a media type without its parameters."""
    return media_type.partition(";")[0]


def valid(schema: dict[str, Any], value: object) -> bool:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.validator_for(whole).is_valid(value)


# --- how to bring an answer about -----------------------------------------------------------------

Setting = Callable[[ScriptedService], Awaitable[str | None]]
"""Prepares the service; returns the id in the path, if there is to be another than an unknown."""


async def waiting(service: ScriptedService) -> str:
    task = service.app.prepare("uppercase")
    await service(Enqueue(tasks=(task,)))
    return task.id


async def running(service: ScriptedService) -> str:
    await waiting(service)
    return (await service.start_next()).task.id


async def ended(service: ScriptedService) -> str:
    await waiting(service)
    return await service.settle_next(Complete(result="1"))


async def dead(service: ScriptedService) -> str:
    await waiting(service)
    return await service.settle_next(DEAD)


async def of_a_lost_action(service: ScriptedService) -> str:
    task = NewTask(id=UNKNOWN, action="lost", payload='{"action":"lost","data":{}}')
    await service(Enqueue(tasks=(task,)))
    return task.id


async def in_a_closed_group(service: ScriptedService) -> str:
    task = service.app.prepare("uppercase", options=Options(group="import"))
    await service(CloseGroup(wanted=Close(name="import"), tasks=(task,)))
    return task.id


async def with_a_stack(service: ScriptedService) -> str:
    attempt = RunningAttempt(
        task_id=UNKNOWN,
        action="uppercase",
        queue="default",
        attempt=1,
        consumer="consumer-1",
        executor="loop",
        started_at=NOW,
        progress=None,
    )
    call = HandlerLine(file="shop.py", number=1, function="uppercase")
    service.stacks[UNKNOWN] = RunningStack(attempt=attempt, stack=HandlerStack(calls=(call,)))
    return UNKNOWN


async def down(service: ScriptedService) -> None:
    service.fault = ActorUnavailable("queue")
    service.ready = Readiness(ready=False, reason="disk full")


async def broken(service: ScriptedService) -> None:
    service.fault = RuntimeError("a bug")


async def protected(service: ScriptedService) -> None:
    await service.grant(Role.ADMIN)


async def with_a_consumer(service: ScriptedService) -> None:
    service.nodes = leaf("root", children=(leaf("root/consumers/consumer-1"),))


async def with_a_limit(service: ScriptedService) -> None:
    await service.storage.declare_limits({"mail": LimitValues(starts=1, per_s=60)}, now=NOW)


async def with_a_node(service: ScriptedService) -> None:
    owner = Owner(node="mail", incarnation="1")
    await service.storage.beat(heartbeat(owner), now=NOW)


async def with_a_spent_limit(service: ScriptedService) -> None:
    await with_a_limit(service)
    await service.storage.take_starts(LimitUse("mail", "acme"), now=NOW)


async def with_a_key(service: ScriptedService) -> None:
    task = service.app.prepare("uppercase", options=Options(unique_key="k"))
    await service(Enqueue(tasks=(task,)))


async def with_a_schedule(
    service: ScriptedService, origin: Origin = Origin.API, action: str = "uppercase"
) -> None:
    plan = Plan(action=action, timing=Timing(cron="@daily"))
    declared = Declared(name="mail", plan=plan, origin=origin)
    await service.storage.put_schedule(declared, now=NOW)


async def with_a_schedule_of_the_code(service: ScriptedService) -> None:
    await with_a_schedule(service, Origin.CODE)


async def with_a_schedule_that_code_forgot(service: ScriptedService) -> None:
    await with_a_schedule_of_the_code(service)
    await service.storage.declare_schedules([], now=NOW)


async def with_a_schedule_of_a_lost_action(service: ScriptedService) -> None:
    await with_a_schedule(service, action="lost")


async def with_a_schedule_whose_key_is_held(service: ScriptedService) -> None:
    @service.app.task("once", schedulable=True, unique_by=["number"])
    async def once(number: int) -> None: ...

    plan = Plan(action="once", timing=Timing(cron="@daily"), data='{"number": 1}')
    declared = Declared(name="mail", plan=plan, origin=Origin.API)
    await service.storage.put_schedule(declared, now=NOW)
    await service(Enqueue(tasks=(once.prepare(number=1),)))


SETTINGS: dict[tuple[str, str], Setting] = {
    ("create_task", "200"): with_a_key,
    ("create_task", "409"): with_a_key,
    ("show_task", "200"): ended,
    ("show_logs", "200"): ended,
    ("show_stack", "200"): with_a_stack,
    ("show_stack", "409"): waiting,
    ("delete_task", "204"): ended,
    ("delete_task", "409"): running,
    ("cancel_task", "200"): waiting,
    ("cancel_task", "202"): running,
    ("cancel_task", "409"): ended,
    ("edit_task", "200"): waiting,
    ("edit_task", "409"): running,
    ("run_now", "202"): waiting,
    ("run_now", "409"): ended,
    ("clone_task", "202"): ended,
    ("clone_task", "422"): of_a_lost_action,
    ("redrive_task", "202"): dead,
    ("redrive_task", "409"): running,
    ("show_group", "200"): in_a_closed_group,
    ("cancel_group", "200"): in_a_closed_group,
    ("redrive_group", "200"): in_a_closed_group,
    ("close_group", "409"): in_a_closed_group,
    ("kill_actor", "202"): with_a_consumer,
    ("begin_session", "200"): protected,
    ("drain_node", "200"): with_a_node,
    ("resume_node", "200"): with_a_node,
    ("show_limit", "200"): with_a_limit,
    ("reset_limit", "204"): with_a_limit,
    ("take_starts", "200"): with_a_limit,
    ("take_starts", "429"): with_a_spent_limit,
    ("create_schedule", "409"): with_a_schedule,
    ("show_schedule", "200"): with_a_schedule,
    ("replace_schedule", "409"): with_a_schedule_of_the_code,
    ("change_schedule", "200"): with_a_schedule,
    ("change_schedule", "409"): with_a_schedule_of_the_code,
    ("delete_schedule", "204"): with_a_schedule,
    ("delete_schedule", "409"): with_a_schedule_of_the_code,
    ("pause_schedule", "200"): with_a_schedule,
    ("resume_schedule", "200"): with_a_schedule,
    ("resume_schedule", "409"): with_a_schedule_that_code_forgot,
    ("run_schedule", "202"): with_a_schedule,
    ("run_schedule", "409"): with_a_schedule_whose_key_is_held,
    ("run_schedule", "422"): with_a_schedule_of_a_lost_action,
}
DAILY = {"action": "uppercase", "cron": "@daily"}
BODIES: dict[tuple[str, str], Any] = {
    ("create_task", "200"): {"action": "uppercase", "unique_key": "k", "on_repeat": "keep"},
    ("create_task", "409"): {"action": "uppercase", "unique_key": "k", "on_repeat": "reject"},
    ("close_group", "200"): {"then": {"action": "uppercase"}},
    ("close_group", "409"): {"then": {"action": "uppercase"}},
    ("close_group", "503"): {},
    ("close_group", "default"): {},
    ("edit_task", "200"): {"priority": 3},
    ("edit_task", "409"): {"priority": 3},
    ("kill_actor", "409"): {"path": "root"},
    ("begin_session", "200"): {"token": "tq_admin"},
    ("create_schedule", "201"): {"name": "mail", **DAILY},
    ("create_schedule", "409"): {"name": "mail", **DAILY},
    ("replace_schedule", "200"): DAILY,
    ("replace_schedule", "409"): DAILY,
}
INFALLIBLE = {
    "show_health",
    "show_readiness",
    "show_openapi",
    "show_page",
    "show_file",
    "show_dashboard",
    "show_asset",
    "end_session",
    "stream_events",
}
QUEUES = {"404": "nowhere"}


async def ask(http: ClientSession, service: ScriptedService, answer: Documented) -> ClientResponse:
    """Make the request that has this answer."""
    key = (answer.operation, answer.status)
    setting = {"401": protected, "503": down, "default": broken}.get(answer.status) or SETTINGS.get(
        key
    )
    task_id = None if setting is None else await setting(service)
    path = answer.path.format(
        id=task_id or UNKNOWN,
        name=QUEUES.get(answer.status, "mail"),
        group="import",
        version=page().version,
        folder="app",
        file="start.js" if answer.status == "200" else "nowhere.js",
        asset="main.js" if answer.status == "200" else "nowhere.js",
    )
    body = BODIES.get(key, answer.example)
    if answer.operation == "create_task":
        body = BODIES.get(key, {"action": "uppercase"})
    if answer.operation in {"cancel_tasks", "redrive_tasks", "delete_tasks", "run_tasks_now"}:
        path += "?all=true&" if answer.status != "422" else ""
    headers = dict(JSON)
    given: dict[str, Any] = {} if body is None else {"json": body}
    match answer.status:
        case "304":
            headers["If-None-Match"] = f'W/"{page().version}"'
        case "400":
            given = {"data": b"{"}
        case "413":
            given = {"data": io.BytesIO(b" " * (MAX_BODY_BYTES + 1))}
        case "422" if body is not None:
            given = {"json": {"action": "uppercase", "unknown": 1}}
        case "422":
            path += "?unknown=1"
        case "431":
            path += "?" + "x" * MAX_LINE_BYTES
        case "403":
            headers["Host"] = "elsewhere.example"
        case "415":
            headers["Content-Encoding"] = "gzip"
        case "default" if answer.operation in INFALLIBLE:
            path += "%2Fnowhere"  # nothing can go wrong in these
    return await http.request(answer.method, path, headers=headers, **given)


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.operation}-{a.status}")
async def test_every_documented_answer_occurs_and_has_its_form(
    http: ClientSession, service: ScriptedService, answer: Documented
) -> None:
    response = await ask(http, service, answer)

    spec = answer.spec["responses"][answer.status]
    if answer.status != "default":
        assert response.status == int(answer.status), await response.text()
    assert {response.content_type, "*/*"} & {*map(essence, spec.get("content", {"*/*": None}))}
    described = spec.get("content", {}).get(response.content_type)
    if response.content_type == "text/event-stream":  # it has no end
        assert (await response.content.readline()).startswith(b"retry: ")
        response.close()
    elif schema := described:
        assert valid(schema["schema"], await response.json())


@pytest.mark.parametrize("path", DOCUMENT["paths"])
async def test_a_method_that_a_path_does_not_have_is_answered_with_those_it_has(
    http: ClientSession, path: str
) -> None:
    described = DOCUMENT["paths"][path].keys()
    places = {"version": "1", "folder": "app", "file": "start.js", "asset": "main.js"}
    target = path.format(id=UNKNOWN, name="mail", group="import", **places)

    for method in METHODS:
        if method.lower() in described:
            continue
        response = await http.request(method, target)

        assert response.status == 405, (method, await response.text())
        allowed = {each.lower() for each in response.headers["Allow"].split(",")}
        assert allowed - {"head"} == described, method


def test_the_examples_in_the_docstrings_are_true() -> None:
    assert [doctest.testmod(each).failed for each in (application, queries)] == [0, 0]


async def test_the_document_is_served_as_it_is_made(http: ClientSession) -> None:
    response = await http.get("/openapi.json")

    assert (response.status, response.content_type) == (200, "application/json")
    assert (await response.json())["paths"] == DOCUMENT["paths"]


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda a: f"{a.operation}-{a.status}")
def test_every_example_has_the_form_of_its_schema(answer: Documented) -> None:
    bodies = answer.spec.get("requestBody", {}).get("content", {})
    contents = [
        *bodies.values(),
        *answer.spec["responses"][answer.status].get("content", {}).values(),
    ]

    for content in contents:
        for example in content.get("examples", {}).values():
            assert valid(content["schema"], example["value"])


def test_every_answer_that_is_json_has_an_example() -> None:
    without = [
        (answer.operation, answer.status)
        for answer in ANSWERS
        if answer.status.startswith("2")
        for content in [answer.spec["responses"][answer.status].get("content", {})]
        if "application/json" in content and not content["application/json"]["examples"]
    ]

    assert without == [("show_openapi", "200")]


def test_the_document_names_the_actions_and_the_queues_of_the_app() -> None:
    properties = DOCUMENT["components"]["schemas"]["TaskRequest"]["properties"]

    assert properties["action"]["examples"] == ["send", "uppercase"]
    assert properties["queue"]["enum"] == ["default", "mail", None]
