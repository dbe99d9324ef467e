"""The nodes of one SQLite file: the service that has it open, which no table has to tell."""

from functools import partial

from taskqueue.rules.nodes import Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.storage.registry import NodeRegistry
from taskqueue.storage.sqlite.lifecycle import SQLiteLifecycle
from taskqueue.storage.sqlite.operations import reads


class SQLiteNodes(SQLiteLifecycle):
    """The verbs about nodes."""

    _nodes: NodeRegistry

    async def beat(self, said: Heartbeat, *, now: float) -> None:
        self._serving()
        self._nodes.beat(said, now=now)

    async def leave(self, owner: Owner) -> None:
        self._serving()
        self._nodes.leave(owner)

    async def nodes(self) -> tuple[ServiceNode, ...]:
        self._serving()
        return self._nodes.all()

    async def drain_node(self, name: str, *, now: float) -> bool:
        self._serving()
        return self._nodes.drain(name, now=now)

    async def resume_node(self, name: str) -> bool:
        self._serving()
        return self._nodes.resume(name)

    async def is_draining(self, owner: Owner) -> bool:
        self._serving()
        return self._nodes.is_draining(owner)

    async def next_lease_end(self, owner: Owner) -> float | None:
        return await self._read(partial(reads.next_lease_end, owner=owner))
