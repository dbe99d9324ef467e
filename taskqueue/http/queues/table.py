"""The calls about queues, for the route table."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.commands import Ask
from taskqueue.http.problems import Unavailable
from taskqueue.http.queues.answers import FlowPage, Queues, Switched
from taskqueue.http.queues.requests import FLOWS, PoolSizeRequest, read_size
from taskqueue.http.queues.routes import QueueRoutes
from taskqueue.http.route import Body, Route
from taskqueue.rules.access import Role
from taskqueue.rules.sizes import PoolSize

_QUEUE = "/queues/{name}"
_OK = HTTPStatus.OK
_NO_QUEUE = {HTTPStatus.NOT_FOUND: "no such queue"}


def queue_table(ask: Ask) -> Iterator[Route]:
    """Yield the calls about queues."""
    queues = QueueRoutes(ask)
    yield Route(
        "GET",
        "/queues",
        queues.list_queues,
        Role.READ,
        {_OK: Queues},
        unavailable=Unavailable("queues unavailable"),
    )
    yield Route(
        "POST",
        f"{_QUEUE}/pause",
        queues.pause_queue,
        Role.ADMIN,
        {_OK: Switched},
        problems=_NO_QUEUE,
        unavailable=Unavailable("failed to pause queue"),
        writes=True,
    )
    yield Route(
        "POST",
        f"{_QUEUE}/resume",
        queues.resume_queue,
        Role.ADMIN,
        {_OK: Switched},
        problems=_NO_QUEUE,
        unavailable=Unavailable("failed to resume queue"),
        writes=True,
    )
    yield Route(
        "GET",
        f"{_QUEUE}/consumers",
        queues.show_consumers,
        Role.READ,
        {_OK: PoolSize},
        problems=_NO_QUEUE,
        unavailable=Unavailable("consumers unavailable"),
    )
    yield Route(
        "GET",
        f"{_QUEUE}/flows",
        queues.list_flows,
        Role.READ,
        {_OK: FlowPage},
        query=FLOWS,
        problems=_NO_QUEUE,
        unavailable=Unavailable("flows unavailable"),
    )
    yield Route(
        "PUT",
        f"{_QUEUE}/consumers",
        queues.resize_consumers,
        Role.ADMIN,
        {HTTPStatus.ACCEPTED: PoolSize},
        body=Body(PoolSizeRequest, read_size, is_audited=True),
        problems=_NO_QUEUE,
        unavailable=Unavailable("failed to resize consumers"),
        writes=True,
    )
