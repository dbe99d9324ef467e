"""The verbs about nodes."""

from functools import partial

from taskqueue.rules.nodes import Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner
from taskqueue.storage.postgres.lifecycle import PostgresLifecycle
from taskqueue.storage.postgres.operations import leases, nodes


class PostgresNodes(PostgresLifecycle):
    """The nodes that share a database: a row each."""

    async def beat(self, said: Heartbeat, *, now: float) -> None:
        await self._read(self._clock.measure)
        await self._write(partial(nodes.beat, said=said, now=now))

    async def leave(self, owner: Owner) -> None:
        await self._write(partial(nodes.leave, owner=owner))

    async def nodes(self) -> tuple[ServiceNode, ...]:
        return await self._read(nodes.every)

    async def drain_node(self, name: str, *, now: float) -> bool:
        return await self._write(partial(nodes.drain, name=name, now=now))

    async def resume_node(self, name: str) -> bool:
        return await self._write(partial(nodes.resume, name=name))

    async def is_draining(self, owner: Owner) -> bool:
        return await self._read(partial(nodes.is_draining, owner=owner))

    async def next_lease_end(self, owner: Owner) -> float | None:
        return await self._read(partial(leases.next_lease_end, owner=owner))
