"""Health, readiness, the supervision tree, and what is the same for all routes."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp import ClientResponse, ClientSession
from msgspec.structs import replace

from taskqueue.errors import ActorUnavailable
from taskqueue.events import Buffer
from taskqueue.events import events as port
from taskqueue.rules.health import Readiness
from taskqueue.rules.running import BlockedLoop, HandlerLine
from taskqueue.runtime import Actor, System, process_info
from taskqueue.supervision import ChildExit
from taskqueue.supervision.tree import SupervisorFigures
from taskqueue.testing.events import EventLog
from tests.gateway.scripted import NOW, ScriptedService, leaf

TREE = leaf(
    "root",
    type="supervisor",
    supervisor=SupervisorFigures(
        strategy="one_for_one", restarts_in_period=1, max_restarts=10, period_s=30
    ),
    children=(
        leaf("root/database", incarnation=2, last_exit="killed", last_exit_at=NOW),
        leaf("root/consumers", type="supervisor", status="busy"),
    ),
)


# --- health ----------------------------------------------------------------------------------


async def test_health_asks_nobody(http: ClientSession, service: ScriptedService) -> None:
    service.fault = RuntimeError("asked")
    service.ready = Readiness(ready=False)

    answer = await http.get("/health")

    assert (answer.status, await answer.json()) == (200, {"status": "ok"})


async def test_a_service_that_can_work_is_ready(http: ClientSession) -> None:
    answer = await http.get("/ready")

    assert (answer.status, await answer.json()) == (200, {"status": "ready"})


async def test_a_service_that_cannot_work_says_why(
    http: ClientSession, service: ScriptedService
) -> None:
    service.ready = Readiness(ready=False, reason="storage unavailable: disk full")

    answer = await http.get("/ready")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (503, "not ready")
    assert problem["detail"] == "storage unavailable: disk full"
    assert answer.headers["Retry-After"] == "1"


# --- the tree ----------------------------------------------------------------------------------


async def test_the_tree_is_shown_as_nested_objects(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = TREE

    answer = await http.get("/supervision")

    root = await answer.json()
    database, consumers = root.pop("children")
    assert root == {
        "path": "root",
        "id": "root",
        "type": "supervisor",
        "status": "running",
        "incarnation": 1,
        "started_at": NOW,
        "last_exit": None,
        "last_exit_at": None,
        "strategy": "one_for_one",
        "restarts_in_period": 1,
        "max_restarts": 10,
        "period_s": 30,
    }
    assert database["path"] == "root/database"
    assert (database["incarnation"], database["last_exit"]) == (2, "killed")
    assert "children" not in database
    assert (consumers["status"], consumers["strategy"], consumers["children"]) == ("busy", None, [])


async def test_a_part_that_waits_says_for_what(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = replace(
        TREE,
        children=(
            leaf("root/database", status="restarting", restart_in_s=2.5),
            leaf("root/feed", status="restarting", waits_for=("database",)),
        ),
    )

    answer = await http.get("/supervision")

    database, feed = (await answer.json())["children"]
    assert database["restart_in_s"] == 2.5
    assert feed["waits_for"] == ["database"]
    assert "waits_for" not in database
    assert "restart_in_s" not in feed


async def test_a_part_shows_how_its_lives_ended(
    http: ClientSession, service: ScriptedService
) -> None:
    end = ChildExit(incarnation=1, reason="killed", started_at=NOW - 9.0, at=NOW)
    service.nodes = replace(
        TREE, children=(leaf("root/database", exits=(end,)), leaf("root/queue"))
    )

    database, queue = (await (await http.get("/supervision")).json())["children"]

    assert database["exits"] == [
        {"incarnation": 1, "reason": "killed", "started_at": NOW - 9.0, "at": NOW}
    ]
    assert "exits" not in queue


async def test_a_part_whose_loop_is_blocked_says_for_how_long_and_by_which_line(
    http: ClientSession, service: ScriptedService
) -> None:
    async with System() as system:
        one, other = [process_info(await system.spawn(Actor)) for _ in range(2)]
    assert one is not None
    service.nodes = replace(
        TREE, children=(leaf("root/c-1", process=one), leaf("root/c-2", process=other))
    )
    service.app.folder = "/srv/shop"
    line = HandlerLine(file="/srv/shop/mail.py", number=7, function="send")
    service.measures.loops.blocked = {one.actor: BlockedLoop(for_s=12.5, line=line)}

    first, second = (await (await http.get("/supervision")).json())["children"]

    assert first["blocked_s"] == 12.5
    assert first["line"] == {"file": "mail.py", "number": 7, "function": "send"}
    assert "blocked_s" not in second
    assert "line" not in second


async def test_a_part_that_runs_shows_what_it_does(
    http: ClientSession, service: ScriptedService
) -> None:
    async with System() as system:
        process = process_info(await system.spawn(Actor))
    service.nodes = replace(TREE, children=(leaf("root/database", process=process),))

    answer = await http.get("/supervision")

    [database] = (await answer.json())["children"]
    assert database["process"]["status"] == "waiting"
    assert database["process"]["mailbox"] == 0
    assert database["process"]["handling"] is None


@pytest.mark.parametrize(
    ("query", "accept"),
    [("?format=text", "*/*"), ("?format=text", "application/json"), ("", "text/plain")],
)
async def test_the_tree_is_drawn_for_who_wants_text(
    http: ClientSession, service: ScriptedService, query: str, accept: str
) -> None:
    service.nodes = TREE

    answer = await http.get(f"/supervision{query}", headers={"Accept": accept})

    assert answer.content_type == "text/plain"
    assert "├─ database  running  incarnation 2  last exit: killed" in await answer.text()


async def test_a_form_that_there_is_not_is_refused(http: ClientSession) -> None:
    answer = await http.get("/supervision?format=xml")

    assert answer.status == 422
    assert (await answer.json())["faults"][0]["field"] == "format"


async def test_a_tree_that_is_being_restarted_is_a_503(
    http: ClientSession, service: ScriptedService
) -> None:
    service.fault = ActorUnavailable("root")

    shown = await http.get("/supervision")
    killed = await kill(http)

    assert (shown.status, killed.status) == (503, 503)


# --- killing -----------------------------------------------------------------------------------


async def kill(http: ClientSession, path: str = "root/database", **headers: str) -> ClientResponse:
    return await http.post("/supervision/kill", json={"path": path}, headers=headers)


async def test_an_actor_is_killed_by_its_path(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = TREE

    answer = await kill(http)

    assert (answer.status, await answer.json()) == (202, {"killed": "root/database"})
    assert service.killed == ["root/database"]


async def test_nobody_is_killed_at_a_path_where_nobody_runs(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = TREE

    answer = await kill(http, "root/nobody")

    assert answer.status == 404


async def test_the_root_is_not_killed(http: ClientSession, service: ScriptedService) -> None:
    service.nodes = TREE

    answer = await kill(http, "root")

    problem = await answer.json()
    assert answer.status == 409
    assert "stop the process instead" in problem["detail"]
    assert service.killed == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Origin", "http://elsewhere.example"),
        ("Origin", "null"),
        ("Host", "elsewhere.example"),
        ("Host", "localhost.elsewhere.example:80"),
        ("Host", "192.0.2.7:8080"),
        ("Host", ""),
    ],
)
async def test_a_web_page_of_another_site_kills_nobody(
    http: ClientSession, service: ScriptedService, name: str, value: str
) -> None:
    service.nodes = TREE

    answer = await kill(http, **{name: value})

    assert answer.status == 403
    assert service.killed == []


@pytest.mark.parametrize("host", ["localhost:8080", "127.0.0.1", "[::1]:8080", "LOCALHOST."])
async def test_a_page_of_our_own_may_kill_under_every_loopback_name(
    http: ClientSession, service: ScriptedService, host: str
) -> None:
    service.nodes = TREE

    answer = await kill(http, Host=host, Origin=f"http://{host}")

    assert answer.status == 202


async def test_a_body_that_is_not_declared_as_json_kills_nobody(
    http: ClientSession, service: ScriptedService
) -> None:
    service.nodes = TREE

    answer = await http.post("/supervision/kill", data='{"path":"root/database"}')

    assert answer.status == 415
    assert service.killed == []


@pytest.mark.parametrize(
    ("body", "status"), [("{", 400), ("[]", 422), ("{}", 422), ('{"path":7}', 422)]
)
async def test_a_body_that_names_no_path_is_refused(
    http: ClientSession, body: str, status: int
) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await http.post("/supervision/kill", data=body, headers=headers)

    assert answer.status == status


# --- all routes --------------------------------------------------------------------------------


async def test_a_problem_has_the_fields_of_rfc_9457_beside_its_error(http: ClientSession) -> None:
    answer = await http.post("/tasks", data=b"{}")

    assert answer.content_type == "application/problem+json"
    assert await answer.json() == {
        "error": "action required",
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
    }


async def test_an_unknown_path_is_a_problem_like_all_others(http: ClientSession) -> None:
    answer = await http.get("/nowhere")

    problem = await answer.json()
    assert (answer.status, problem["error"], problem["status"]) == (404, "not found", 404)


async def test_a_wrong_method_is_answered_with_the_right_ones(http: ClientSession) -> None:
    answer = await http.delete("/tasks")

    problem = await answer.json()
    assert (answer.status, problem["error"]) == (405, "method not allowed")
    assert set(answer.headers["Allow"].split(",")) == {"GET", "HEAD", "POST"}


async def test_a_surprise_is_told_to_the_log_and_not_to_the_client(
    http: ClientSession, service: ScriptedService, events: EventLog
) -> None:
    service.fault = RuntimeError("the password is hunter2")

    answer = await http.get("/tasks")

    [event] = events.select("http_error")
    problem = await answer.json()
    assert (answer.status, problem["error"]) == (500, "internal error")
    assert problem["instance"] == f"urn:uuid:{event['error_id']}"
    assert "hunter2" not in await answer.text()
    assert event["exc_info"] is service.fault


async def test_requests_are_logged_without_their_query(
    http: ClientSession, events: EventLog
) -> None:
    await http.get("/tasks?limit=1")
    await http.get("/tasks?limit=none")

    good = await events.wait_for("http_request", status=200)
    bad = await events.wait_for("http_request", status=422)
    assert (good["method"], good["path"], good["remote"]) == ("GET", "/tasks", "127.0.0.1")
    assert (good["level"], bad["level"]) == ("debug", "info")
    assert good["duration_s"] >= 0


@pytest.fixture
def lines() -> Iterator[asyncio.Queue[dict[str, Any]]]:
    """What is logged from `info` up, as the service does by default."""
    written: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def write(_: object, __: str, event: Any) -> Any:
        written.put_nowait(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[write],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )
    yield written
    structlog.configure(**before)


async def test_what_went_well_is_not_logged_by_default(
    lines: asyncio.Queue[dict[str, Any]], http: ClientSession
) -> None:
    await http.get("/health")
    await http.get("/nowhere")

    async with asyncio.timeout(5):
        while (line := await lines.get())["event"] != "http_request":
            pass
    assert (line["path"], line["status"]) == ("/nowhere", 404)


async def test_what_went_well_is_published_to_a_subscriber(
    lines: asyncio.Queue[dict[str, Any]], http: ClientSession
) -> None:
    with port.subscribed(Buffer(10)) as buffer:
        await http.get("/health")
        async with asyncio.timeout(5):
            [event, *_] = await buffer.next()

    assert (event.name, event.level, event.fields["status"]) == ("http_request", "debug", 200)
    assert lines.empty()


# --- resizing -----------------------------------------------------------------------------------


async def resize(http: ClientSession, body: str, **headers: str) -> ClientResponse:
    json_type = {"Content-Type": "application/json"}
    return await http.put("/supervision/consumers", data=body, headers=json_type | headers)


async def test_there_are_as_many_consumers_as_are_asked_for(
    http: ClientSession, service: ScriptedService
) -> None:
    answers = [await resize(http, f'{{"count": {count}}}') for count in ("4.0", "0")]

    assert [(a.status, await a.json()) for a in answers] == [
        (202, {"count": 4, "configured": 2, "is_changed": True}),
        (202, {"count": 0, "configured": 2, "is_changed": True}),
    ]
    assert service.sizes == [4, 0]


async def test_the_configured_number_holds_again_when_that_is_asked_for(
    http: ClientSession, service: ScriptedService
) -> None:
    await resize(http, '{"count": 4}')
    changed = await (await http.get("/supervision/consumers")).json()

    back = await (await resize(http, '{"count": null}')).json()

    assert changed == {"count": 4, "configured": 2, "is_changed": True}
    assert back == {"count": 2, "configured": 2, "is_changed": False}
    assert await (await http.get("/supervision/consumers")).json() == back


@pytest.mark.parametrize("body", ["{}", '{"count": -1}', '{"count": "4"}', '{"count": 1025}', "4"])
async def test_what_is_no_number_of_consumers_changes_nothing(
    http: ClientSession, service: ScriptedService, body: str
) -> None:
    answer = await resize(http, body)

    assert answer.status == 422
    assert (await answer.json())["faults"][0]["field"] == "count"
    assert service.sizes == []


async def test_a_web_page_of_another_site_resizes_nothing(
    http: ClientSession, service: ScriptedService
) -> None:
    answer = await resize(http, '{"count": 4}', Origin="http://example.org")

    assert answer.status == 403
    assert service.sizes == []
