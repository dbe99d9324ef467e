"""Nodes: the services that share one database, as each says of itself. Pure."""

from enum import StrEnum

from taskqueue.rules.tasks import Owner
from taskqueue.structs import Struct

BEAT_S = 2.0
"""How often a node says that it lives."""

SILENT_S = 10.0
"""After how long without a heartbeat a node counts as silent."""

FORGOTTEN_S = 3600.0
"""After how long without a heartbeat a node is left out."""


class NodeState(StrEnum):
    """How a node stands."""

    SERVING = "serving"
    DRAINING = "draining"  # it claims nothing, and finishes what runs
    SILENT = "silent"  # it is dead, frozen, or cannot reach the database


class Heartbeat(Struct):
    """What a node says of itself.

    Attributes:
        owner: its name and incarnation, to which its leases belong.
        version: of its release.
        address: where it listens; None if it does not, or if nothing is known of it.
        started_at: when its service was started.
        queues: those that it serves.
        consumers: how many it is meant to have.
        slots: how many handlers these run at once, all together.
        running: how many handlers run.
    """

    owner: Owner
    version: str
    address: str | None
    started_at: float
    queues: tuple[str, ...]
    consumers: int
    slots: int
    running: int


class ServiceNode(Struct):
    """A node: its latest heartbeat and when that was, and since when it is to drain."""

    said: Heartbeat
    beat_at: float
    draining_since: float | None = None

    @property
    def name(self) -> str:
        """The name, which no other node of the database has."""
        return self.said.owner.node

    def age_s(self, now: float) -> float:
        """Return how long ago its latest heartbeat was. Never negative."""
        return max(0.0, now - self.beat_at)

    def state(self, now: float) -> NodeState:
        """Return how it stands. One that is silent may be draining as well."""
        if self.age_s(now) > SILENT_S:
            return NodeState.SILENT
        return NodeState.SERVING if self.draining_since is None else NodeState.DRAINING

    def beaten(self, said: Heartbeat, *, now: float) -> "ServiceNode":
        """Return it after another heartbeat. A new incarnation does not drain."""
        is_same = said.owner == self.said.owner
        draining_since = self.draining_since if is_same else None
        return ServiceNode(said=said, beat_at=now, draining_since=draining_since)
