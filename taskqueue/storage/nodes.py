"""The part of a storage that knows which nodes share it."""

from typing import Protocol

from taskqueue.rules.nodes import Heartbeat, ServiceNode
from taskqueue.rules.tasks import Owner


class Nodes(Protocol):
    """A node is a service with a name of its own; its leases belong to one incarnation of it.

    An engine that one service at a time can use may keep this in memory.
    """

    async def beat(self, said: Heartbeat, *, now: float) -> None:
        """Note that a node lives, and what it says of itself.

        A drain ends with the incarnation that it was asked of. Nodes whose latest heartbeat is
        older than `FORGOTTEN_S` are forgotten.
        """
        ...

    async def leave(self, owner: Owner) -> None:
        """Forget a node that ends, unless another incarnation of it has come."""
        ...

    async def nodes(self) -> tuple[ServiceNode, ...]:
        """Return all nodes by name."""
        ...

    async def drain_node(self, name: str, *, now: float) -> bool:
        """Ask a node to claim nothing until it is resumed; False if there is none of this name.

        Of several requests the first counts.
        """
        ...

    async def resume_node(self, name: str) -> bool:
        """Take that back; False if there is none of this name."""
        ...

    async def is_draining(self, owner: Owner) -> bool:
        """Tell whether this incarnation of a node was asked to drain."""
        ...

    async def next_lease_end(self, owner: Owner) -> float | None:
        """Return the earliest `expires_at` of what other nodes hold, None if they hold nothing.

        When `rescue` may next find something because a node has died.
        """
        ...
