"""The calls about groups, for the route table."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.api.app import App
from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.groups.answers import Closed, GroupPage, GroupView
from taskqueue.http.groups.closing import (
    CLOSED_OTHERWISE,
    CloseReader,
    CloseRequest,
    GroupClosing,
)
from taskqueue.http.groups.routes import CANCEL, GROUP_PAGE, REDRIVE, GroupRoutes
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Body, Route
from taskqueue.http.tasks.bulk import Progress
from taskqueue.http.tasks.queries import WAIT
from taskqueue.http.tasks.traces import TRACE_HEADER
from taskqueue.http.tasks.waiting import TaskWaits
from taskqueue.rules.access import Role

_OK = HTTPStatus.OK
_NO_GROUP = {HTTPStatus.NOT_FOUND: "group not found"}
_READING = Unavailable("database unavailable")
_REPEATABLE = "It may have been done. You can send the same request again."
_BUSY = "Some tasks may be done, others not"


def group_table(ask: Ask, app: App, clock: Clock, waits: TaskWaits) -> Iterator[Route]:
    """Yield the calls about groups."""
    groups = GroupRoutes(ask, clock, waits)
    yield Route(
        "GET",
        "/groups",
        groups.list_groups,
        Role.READ,
        {_OK: GroupPage},
        query=GROUP_PAGE,
        unavailable=_READING,
    )
    yield Route(
        "GET",
        "/groups/{group}",
        groups.show_group,
        Role.READ,
        {_OK: GroupView},
        query=WAIT,
        problems=_NO_GROUP,
        unavailable=_READING,
    )
    yield Route(
        "POST",
        "/groups/{group}/close",
        GroupClosing(ask, app, clock).close_group,
        Role.ENQUEUE,
        {_OK: Closed},
        headers=TRACE_HEADER,
        body=Body(CloseRequest, CloseReader(app).read, required=False),
        problems={HTTPStatus.CONFLICT: CLOSED_OTHERWISE},
        unavailable=Unavailable("failed to close group", _REPEATABLE),
        writes=True,
    )
    for verb, handler, query in (
        ("cancel", groups.cancel_group, CANCEL),
        ("redrive", groups.redrive_group, REDRIVE),
    ):
        yield Route(
            "POST",
            f"/groups/{{group}}/{verb}",
            handler,
            Role.ENQUEUE,
            {_OK: Progress},
            query=query,
            problems=_NO_GROUP,
            unavailable=Unavailable(f"failed to {verb} group", _REPEATABLE, _BUSY),
            writes=True,
        )
