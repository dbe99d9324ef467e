"""Examples of the answers about nodes."""

from collections.abc import Sequence
from typing import Any

from taskqueue.http.nodes.answers import Drained, NodeList, NodeView
from taskqueue.rules.nodes import NodeState

_AT = 1_800_000_000.0

_NODE = NodeView(
    name="worker-3-9f2c01ab",
    state=NodeState.DRAINING,
    incarnation="6f1d3a52b0c94f0f8f2f2c1c54c3c1de",
    version="1.0.0",
    address="http://10.0.0.13:8080",
    started_at=_AT,
    beat_at=_AT + 3_600.0,
    age_s=0.8,
    draining_since=_AT + 3_580.0,
    queues=["default", "mail"],
    consumers=2,
    slots=64,
    running=3,
)

NODE_EXAMPLES: Sequence[Any] = (
    NodeList(nodes=[_NODE]),
    Drained(node=_NODE.name, draining=True),
)
