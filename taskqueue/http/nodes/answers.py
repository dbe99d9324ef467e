"""The answers about nodes."""

from collections.abc import Sequence
from typing import Self

from taskqueue.rules.nodes import NodeState, ServiceNode
from taskqueue.structs import Struct


class NodeView(Struct):
    """A node as it has last said, `age_s` seconds ago.

    `consumers` and `slots` are how many it is meant to have. `address` is null if it does not
    listen, and `draining_since` if it was not asked to drain.
    """

    name: str
    state: NodeState
    incarnation: str
    version: str
    address: str | None
    started_at: float
    beat_at: float
    age_s: float
    draining_since: float | None
    queues: Sequence[str]
    consumers: int
    slots: int
    running: int

    @classmethod
    def of(cls, node: ServiceNode, *, now: float) -> Self:
        """Return the view of a node at this instant."""
        said = node.said
        return cls(
            name=node.name,
            state=node.state(now),
            incarnation=said.owner.incarnation,
            version=said.version,
            address=said.address,
            started_at=said.started_at,
            beat_at=node.beat_at,
            age_s=round(node.age_s(now), 3),
            draining_since=node.draining_since,
            queues=said.queues,
            consumers=said.consumers,
            slots=said.slots,
            running=said.running,
        )


class NodeList(Struct):
    """All nodes, by name."""

    nodes: Sequence[NodeView]


class Drained(Struct):
    """Whether a node is to drain now."""

    node: str
    draining: bool
