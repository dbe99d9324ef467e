"""The route table: every call, what it takes and what it answers."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.answers import Content, Text
from taskqueue.http.audit import TRAIL_QUERY, AuditRoutes, Changes
from taskqueue.http.bodies import only_field
from taskqueue.http.credentials import Credentials
from taskqueue.http.dead.routes import DeadRoutes, Deleted, Redriven
from taskqueue.http.dead.selection import SelectionRequest, read_selection
from taskqueue.http.documentation.openapi import document
from taskqueue.http.documentation.routes import DocumentationRoutes
from taskqueue.http.door import Door
from taskqueue.http.probes import Alive, Probes, Ready
from taskqueue.http.problems import Unavailable
from taskqueue.http.queues import QueueRoutes, Queues, Switched
from taskqueue.http.route import Body, Route
from taskqueue.http.sessions import SessionAnswer, SessionRequest, SessionRoutes
from taskqueue.http.supervision.answers import Killed, Part, Resized, SupervisorPart
from taskqueue.http.supervision.requests import FORM, Place, Size
from taskqueue.http.supervision.routes import SupervisionRoutes
from taskqueue.http.tasks.answers import Cancellation, Page, Receipt, Receipts, Stats, TaskDetail
from taskqueue.http.tasks.cancellation import CancelRequest, read_reason
from taskqueue.http.tasks.creation import TaskCreation
from taskqueue.http.tasks.keys import KEY_HEADER
from taskqueue.http.tasks.patience import TaskReader
from taskqueue.http.tasks.queries import PAGE, WAIT
from taskqueue.http.tasks.requests import TaskList, TaskRequest
from taskqueue.http.tasks.routes import TaskRoutes
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.access import Role

_QUEUE = "/queues/{name}"

_OK, _ACCEPTED = HTTPStatus.OK, HTTPStatus.ACCEPTED
_NOT_FOUND, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_READER, _CLIENT, _ADMINISTRATOR = Role.READ, Role.ENQUEUE, Role.ADMIN

_NO_TASK = {_NOT_FOUND: "task not found"}
_NO_QUEUE = {_NOT_FOUND: "no such queue"}

_READING = Unavailable("database unavailable")
_SUPERVISING = Unavailable("supervision unavailable")
_IN_PART = "Some may have been done. The same request may be sent again."


def routes(
    ask: Ask, app: App, clock: Clock, waits: TaskWaits, *, door: Door, credentials: Credentials
) -> tuple[Route, ...]:
    """Return all calls."""
    tasks = TaskRoutes(ask, waits)
    documentation = DocumentationRoutes(lambda: document(table, app))
    table = (
        *_of_new_tasks(ask, app, clock),
        *_of_tasks(tasks),
        *_changing_tasks(tasks),
        *_of_dead(ask),
        *_of_queues(ask),
        *_of_service(ask),
        *_of_access(SessionRoutes(door.sessions, credentials.current, clock), door),
        *_of_documentation(documentation),
    )
    return table


def _of_new_tasks(ask: Ask, app: App, clock: Clock) -> Iterator[Route]:
    yield Route(
        "POST",
        "/tasks",
        TaskCreation(ask, app, clock).create_task,
        _CLIENT,
        {_ACCEPTED: Receipt | Receipts},
        headers=KEY_HEADER,
        body=Body(TaskRequest | TaskList, TaskReader(app).read),
        unavailable=Unavailable("failed to queue task"),
        writes=True,
    )


def _of_tasks(tasks: TaskRoutes) -> Iterator[Route]:
    yield Route(
        "GET", "/tasks", tasks.list_tasks, _READER, {_OK: Page}, query=PAGE, unavailable=_READING
    )
    yield Route(
        "GET",
        "/tasks/{id}",
        tasks.show_task,
        _READER,
        {_OK: TaskDetail},
        query=WAIT,
        problems=_NO_TASK,
        unavailable=_READING,
    )
    yield Route("GET", "/stats", tasks.show_stats, _READER, {_OK: Stats}, unavailable=_READING)


def _changing_tasks(tasks: TaskRoutes) -> Iterator[Route]:
    yield Route(
        "DELETE",
        "/tasks/{id}",
        tasks.delete_task,
        _ADMINISTRATOR,
        {HTTPStatus.NO_CONTENT: None},
        problems={**_NO_TASK, _CONFLICT: "task has not ended"},
        unavailable=Unavailable("failed to delete task"),
        writes=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/cancel",
        tasks.cancel_task,
        _CLIENT,
        {_OK: Cancellation, _ACCEPTED: Cancellation},
        body=Body(CancelRequest, read_reason, required=False),
        problems={**_NO_TASK, _CONFLICT: "task has ended"},
        unavailable=Unavailable("failed to cancel task"),
        writes=True,
    )
    yield Route(
        "POST",
        "/tasks/{id}/redrive",
        tasks.redrive_task,
        _CLIENT,
        {_ACCEPTED: Receipt},
        problems={**_NO_TASK, _CONFLICT: "task is not dead"},
        unavailable=Unavailable("failed to queue task"),
        writes=True,
    )


def _of_dead(ask: Ask) -> Iterator[Route]:
    dead = DeadRoutes(ask)
    yield Route(
        "POST",
        "/dead/redrive",
        dead.redrive_dead,
        _ADMINISTRATOR,
        {_ACCEPTED: Redriven},
        body=Body(SelectionRequest, read_selection),
        unavailable=Unavailable("failed to queue tasks", _IN_PART),
        writes=True,
    )
    yield Route(
        "POST",
        "/dead/delete",
        dead.delete_dead,
        _ADMINISTRATOR,
        {_OK: Deleted},
        body=Body(SelectionRequest, read_selection),
        unavailable=Unavailable("failed to delete tasks", _IN_PART),
        writes=True,
    )


def _of_queues(ask: Ask) -> Iterator[Route]:
    queues = QueueRoutes(ask)
    yield Route(
        "GET",
        "/queues",
        queues.list_queues,
        _READER,
        {_OK: Queues},
        unavailable=Unavailable("queues unavailable"),
    )
    yield Route(
        "POST",
        f"{_QUEUE}/pause",
        queues.pause_queue,
        _ADMINISTRATOR,
        {_OK: Switched},
        problems=_NO_QUEUE,
        unavailable=Unavailable("failed to pause queue"),
        writes=True,
    )
    yield Route(
        "POST",
        f"{_QUEUE}/resume",
        queues.resume_queue,
        _ADMINISTRATOR,
        {_OK: Switched},
        problems=_NO_QUEUE,
        unavailable=Unavailable("failed to resume queue"),
        writes=True,
    )


def _of_service(ask: Ask) -> Iterator[Route]:
    probes = Probes(ask)
    supervision = SupervisionRoutes(ask)
    yield Route("GET", "/health", probes.show_health, None, {_OK: Alive})
    yield Route(
        "GET",
        "/ready",
        probes.show_readiness,
        None,
        {_OK: Ready},
        unavailable=Unavailable("not ready"),
    )
    yield Route(
        "GET",
        "/supervision",
        supervision.show_tree,
        _READER,
        {_OK: Part | SupervisorPart | Text},
        query=FORM,
        unavailable=_SUPERVISING,
    )
    yield Route(
        "POST",
        "/supervision/kill",
        supervision.kill_actor,
        _ADMINISTRATOR,
        {_ACCEPTED: Killed},
        body=Body(Place, only_field(Place)),
        problems={_NOT_FOUND: "no such actor", _CONFLICT: "the root cannot be killed"},
        unavailable=_SUPERVISING,
    )
    yield Route(
        "PUT",
        "/supervision/consumers",
        supervision.resize_consumers,
        _ADMINISTRATOR,
        {_ACCEPTED: Resized},
        body=Body(Size, only_field(Size)),
        unavailable=_SUPERVISING,
    )


def _of_documentation(documentation: DocumentationRoutes) -> Iterator[Route]:
    yield Route("GET", "/openapi.json", documentation.show_openapi, _READER, {_OK: dict[str, Any]})
    yield Route("GET", "/docs", documentation.show_page, _READER, {_OK: Content})
    yield Route(
        "GET",
        "/docs/{file}",
        documentation.show_file,
        _READER,
        {_OK: Content},
        problems={_NOT_FOUND: "not found"},
    )


def _of_access(sessions: SessionRoutes, door: Door) -> Iterator[Route]:
    yield Route(
        "POST",
        "/session",
        sessions.begin_session,
        None,
        {_OK: SessionAnswer},
        body=Body(SessionRequest, only_field(SessionRequest)),
        problems={HTTPStatus.UNAUTHORIZED: "unauthenticated"},
    )
    yield Route("DELETE", "/session", sessions.end_session, None, {HTTPStatus.NO_CONTENT: None})
    yield Route(
        "GET",
        "/audit",
        AuditRoutes(door.trail).list_changes,
        _ADMINISTRATOR,
        {_OK: Changes},
        query=TRAIL_QUERY,
    )
