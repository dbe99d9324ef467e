"""The nodes of an engine that one service at a time can use: kept in its memory."""

from taskqueue.rules.nodes import FORGOTTEN_S, Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner


class NodeRegistry:
    """What `Nodes` says, for as long as this process lives: a drain ends with it anyway."""

    def __init__(self) -> None:
        """Begin without a node."""
        self._nodes: dict[str, ServiceNode] = {}

    def beat(self, said: Heartbeat, *, now: float) -> None:
        """Note a heartbeat."""
        new = ServiceNode(said=said, beat_at=now)
        known = self._nodes.get(new.name, new)
        self._nodes[new.name] = known.beaten(said, now=now)
        self._nodes = {
            name: each for name, each in self._nodes.items() if each.age_s(now) <= FORGOTTEN_S
        }

    def leave(self, owner: Owner) -> None:
        """Forget a node."""
        if self._has(owner):
            del self._nodes[owner.node]

    def all(self) -> tuple[ServiceNode, ...]:
        """Return all by name."""
        return tuple(self._nodes[name] for name in sorted(self._nodes))

    def drain(self, name: str, *, now: float) -> bool:
        """Note that a node is to drain, and since when, unless that is noted."""
        node = self._nodes.get(name)
        if node is not None and node.draining_since is None:
            self._nodes[name] = ServiceNode(
                said=node.said, beat_at=node.beat_at, draining_since=now
            )
        return node is not None

    def resume(self, name: str) -> bool:
        """Take that note away."""
        node = self._nodes.get(name)
        if node is not None:
            self._nodes[name] = ServiceNode(said=node.said, beat_at=node.beat_at)
        return node is not None

    def is_draining(self, owner: Owner) -> bool:
        """Tell whether this incarnation is to drain."""
        return self._has(owner) and self._nodes[owner.node].draining_since is not None

    def _has(self, owner: Owner) -> bool:
        node = self._nodes.get(owner.node)
        return node is not None and node.said.owner == owner
