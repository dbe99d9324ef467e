"""The nodes in memory."""

from taskqueue.rules.nodes import Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.storage.memory.part import MemoryPart
from taskqueue.storage.registry import NodeRegistry


class MemoryNodes(MemoryPart):
    """The part of the model that knows the nodes."""

    def __init__(self) -> None:
        super().__init__()
        self._nodes = NodeRegistry()

    async def beat(self, said: Heartbeat, *, now: float) -> None:
        self._require_open()
        self._nodes.beat(said, now=now)

    async def leave(self, owner: Owner) -> None:
        self._require_open()
        self._nodes.leave(owner)

    async def nodes(self) -> tuple[ServiceNode, ...]:
        self._require_open()
        return self._nodes.all()

    async def drain_node(self, name: str, *, now: float) -> bool:
        self._require_open()
        return self._nodes.drain(name, now=now)

    async def resume_node(self, name: str) -> bool:
        self._require_open()
        return self._nodes.resume(name)

    async def is_draining(self, owner: Owner) -> bool:
        self._require_open()
        return self._nodes.is_draining(owner)

    async def next_lease_end(self, owner: Owner) -> float | None:
        self._require_open()
        others = (lease for _, lease in self._table.leased() if lease.owner.node != owner.node)
        return min((lease.expires_at for lease in others), default=None)
