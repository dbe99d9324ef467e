"""The requests about nodes. No I/O here."""

from collections.abc import Sequence
from urllib.parse import quote

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.node_views import NodeInfo


class _Nodes(msgspec.Struct):
    nodes: list[NodeInfo]


_nodes = msgspec.json.Decoder(_Nodes).decode


def nodes() -> Call[Sequence[NodeInfo]]:
    """Ask for the nodes."""
    return Call(method="GET", path="/nodes", read=lambda body: _nodes(body).nodes)


def drain(name: str) -> Call[None]:
    """Have a node claim nothing."""
    return _command(name, "drain")


def resume(name: str) -> Call[None]:
    """Have a node claim again."""
    return _command(name, "resume")


def _command(name: str, verb: str) -> Call[None]:
    path = f"/nodes/{quote(name, safe='')}/{verb}"
    return Call(method="POST", path=path, read=lambda _: None)
