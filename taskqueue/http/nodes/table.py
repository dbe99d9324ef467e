"""The calls about nodes, for the route table."""

from collections.abc import Iterator
from http import HTTPStatus

from taskqueue.clock import Clock
from taskqueue.commands import Ask
from taskqueue.http.nodes.answers import Drained, NodeList
from taskqueue.http.nodes.routes import NodeRoutes
from taskqueue.http.problems import Unavailable
from taskqueue.http.route import Route
from taskqueue.rules.access import Role

_NODE = "/nodes/{name}"
_OK = HTTPStatus.OK
_NO_NODE = {HTTPStatus.NOT_FOUND: "no such node"}


def node_table(ask: Ask, clock: Clock) -> Iterator[Route]:
    """Yield the calls about nodes."""
    nodes = NodeRoutes(ask, clock)
    yield Route(
        "GET",
        "/nodes",
        nodes.list_nodes,
        Role.READ,
        {_OK: NodeList},
        unavailable=Unavailable("nodes unavailable"),
    )
    yield Route(
        "POST",
        f"{_NODE}/drain",
        nodes.drain_node,
        Role.ADMIN,
        {_OK: Drained},
        problems=_NO_NODE,
        unavailable=Unavailable("failed to drain node"),
        writes=True,
    )
    yield Route(
        "POST",
        f"{_NODE}/resume",
        nodes.resume_node,
        Role.ADMIN,
        {_OK: Drained},
        problems=_NO_NODE,
        unavailable=Unavailable("failed to resume node"),
        writes=True,
    )
