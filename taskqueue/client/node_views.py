"""What the service answers about nodes, as the client returns it."""

from collections.abc import Sequence

from taskqueue.rules.nodes import NodeState
from taskqueue.structs import Struct


class NodeInfo(Struct):
    """A service among those that share a database, as it has last said."""

    name: str
    state: NodeState
    """`serving`, `draining` or `silent`: it has died, is frozen, or cannot reach the database."""
    incarnation: str
    version: str
    address: str | None
    """Where it listens; None if it does not."""
    started_at: float
    beat_at: float
    age_s: float
    """How long ago its latest heartbeat was."""
    draining_since: float | None
    queues: Sequence[str]
    """Those that it has consumers for."""
    consumers: int
    slots: int
    """How many handlers its consumers run at once, all together."""
    running: int
