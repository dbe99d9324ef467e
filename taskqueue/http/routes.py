"""The route table: every call, what it takes and what it answers."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.access_routes import access_routes
from taskqueue.http.activity import ACTIVITY, ActivityRoutes
from taskqueue.http.answers import Content, EventStream, MetricsText, Text
from taskqueue.http.bodies import only_field
from taskqueue.http.credentials import Credentials
from taskqueue.http.dashboard import dashboard_routes
from taskqueue.http.dead.queries import GROUPS
from taskqueue.http.dead.routes import DeadGroups, DeadRoutes, Deleted, Redriven
from taskqueue.http.dead.selection import SelectionRequest, read_selection
from taskqueue.http.documentation.openapi import document
from taskqueue.http.documentation.routes import DocumentationRoutes
from taskqueue.http.event_stream.filters import EVENT_FILTER
from taskqueue.http.event_stream.routes import LAST_EVENT_ID, EventRoutes
from taskqueue.http.event_stream.streams import EventStreams
from taskqueue.http.groups.table import group_table
from taskqueue.http.limits.table import limit_table
from taskqueue.http.metrics.routes import MetricsRoutes
from taskqueue.http.nodes.table import node_table
from taskqueue.http.probes import Alive, Probes, Ready
from taskqueue.http.problems import Unavailable
from taskqueue.http.queues.table import queue_table
from taskqueue.http.route import Body, Route
from taskqueue.http.running import RunningList, RunningRoutes, StackView
from taskqueue.http.schedules.table import schedule_table
from taskqueue.http.sessions import SessionRoutes
from taskqueue.http.settings import SettingList, SettingRoutes
from taskqueue.http.state import HttpState
from taskqueue.http.supervision.answers import Killed, Part, SupervisorPart
from taskqueue.http.supervision.requests import FORM, Place, Size
from taskqueue.http.supervision.routes import SupervisionRoutes
from taskqueue.http.tasks.table import task_table
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.access import Role
from taskqueue.rules.service_activity import RecentActivity
from taskqueue.rules.sizes import ConsumersSize

_OK, _ACCEPTED = HTTPStatus.OK, HTTPStatus.ACCEPTED
_NOT_FOUND, _CONFLICT = HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT
_READER, _CLIENT, _ADMINISTRATOR = Role.READ, Role.ENQUEUE, Role.ADMIN

_SUPERVISING = Unavailable("supervision unavailable")
_IN_PART = "It may have been done in part. You can send the same request again."
_BUSY = "Some may have been done, others not"


def routes(
    ask: Ask,
    app: App,
    clock: Clock,
    waits: TaskWaits,
    streams: EventStreams,
    *,
    state: HttpState,
    credentials: Credentials,
    metrics: MetricsRoutes,
    settings: SettingRoutes,
) -> tuple[Route, ...]:
    """Return all calls."""
    documentation = DocumentationRoutes(lambda: document(table, app))
    table = (
        *task_table(ask, app, clock, waits),
        *group_table(ask, app, clock, waits),
        *_of_dead(ask),
        *queue_table(ask),
        *node_table(ask, clock),
        *limit_table(ask, clock),
        *schedule_table(ask, app, clock),
        *_of_events(streams),
        *_of_running(RunningRoutes(ask, app, clock)),
        *_of_activity(ask),
        *_of_service(ask, app),
        Route("GET", "/metrics", metrics.show_metrics, _READER, {_OK: MetricsText}),
        Route("GET", "/settings", settings.list_settings, _ADMINISTRATOR, {_OK: SettingList}),
        *access_routes(ask, SessionRoutes(state.sessions, credentials.current, clock), state),
        *_of_documentation(documentation),
        *dashboard_routes(),
    )
    return table


def _of_dead(ask: Ask) -> Iterator[Route]:
    dead = DeadRoutes(ask)
    yield Route(
        "GET",
        "/dead/groups",
        dead.list_groups,
        _READER,
        {_OK: DeadGroups},
        query=GROUPS,
        unavailable=Unavailable("database unavailable"),
    )
    yield Route(
        "POST",
        "/dead/redrive",
        dead.redrive_dead,
        _ADMINISTRATOR,
        {_ACCEPTED: Redriven},
        body=Body(SelectionRequest, read_selection, is_audited=True),
        unavailable=Unavailable("failed to queue tasks", _IN_PART, _BUSY),
        writes=True,
    )
    yield Route(
        "POST",
        "/dead/delete",
        dead.delete_dead,
        _ADMINISTRATOR,
        {_OK: Deleted},
        body=Body(SelectionRequest, read_selection, is_audited=True),
        unavailable=Unavailable("failed to delete tasks", _IN_PART, _BUSY),
        writes=True,
    )


def _of_events(streams: EventStreams) -> Iterator[Route]:
    yield Route(
        "GET",
        "/events",
        EventRoutes(streams).stream_events,
        _READER,
        {_OK: EventStream},
        query=EVENT_FILTER,
        headers=LAST_EVENT_ID,
        problems={HTTPStatus.SERVICE_UNAVAILABLE: "too many event streams"},
    )


def _of_running(running: RunningRoutes) -> Iterator[Route]:
    yield Route(
        "GET",
        "/running",
        running.list_running,
        _READER,
        {_OK: RunningList},
    )
    yield Route(
        "GET",
        "/tasks/{id}/stack",
        running.show_stack,
        _READER,
        {_OK: StackView},
        problems={_NOT_FOUND: "task not found", _CONFLICT: "task is not running"},
        unavailable=Unavailable("database unavailable"),
    )


def _of_activity(ask: Ask) -> Iterator[Route]:
    yield Route(
        "GET",
        "/activity",
        ActivityRoutes(ask).show_activity,
        _READER,
        {_OK: RecentActivity},
        query=ACTIVITY,
    )


def _of_service(ask: Ask, app: App) -> Iterator[Route]:
    probes = Probes(ask)
    supervision = SupervisionRoutes(ask, app)
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
        body=Body(Place, only_field(Place), is_audited=True),
        problems={_NOT_FOUND: "no such actor", _CONFLICT: "the root cannot be killed"},
        unavailable=_SUPERVISING,
    )
    yield Route(
        "PUT",
        "/supervision/consumers",
        supervision.resize_consumers,
        _ADMINISTRATOR,
        {_ACCEPTED: ConsumersSize},
        body=Body(Size, only_field(Size), is_audited=True),
        unavailable=_SUPERVISING,
    )
    yield Route(
        "GET",
        "/supervision/consumers",
        supervision.show_consumers,
        _READER,
        {_OK: ConsumersSize},
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
