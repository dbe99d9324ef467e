"""The verbs about nodes, for both clients."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from taskqueue.client import node_calls
from taskqueue.client.call import Call
from taskqueue.client.node_views import NodeInfo

T = TypeVar("T")


class NodeVerbs(ABC):
    """A part of `Client`."""

    @abstractmethod
    def _do(self, call: Call[T]) -> T:
        """Return the answer to a call."""

    def nodes(self) -> Sequence[NodeInfo]:
        """Return the nodes that share the database of the service, by name."""
        return self._do(node_calls.nodes())

    def drain_node(self, name: str) -> None:
        """Have a node claim nothing until it is resumed or restarted; needs the role `admin`.

        What runs there is finished.

        Raises:
            CallRefused: there is no node of this name.
        """
        self._do(node_calls.drain(name))

    def resume_node(self, name: str) -> None:
        """Have a node claim tasks again; needs the role `admin`.

        Raises:
            CallRefused: there is no node of this name.
        """
        self._do(node_calls.resume(name))


class AsyncNodeVerbs(ABC):
    """A part of `AsyncClient`."""

    @abstractmethod
    def _do(self, call: Call[T]) -> Awaitable[T]:
        """Return the answer to a call, to be awaited."""

    async def nodes(self) -> Sequence[NodeInfo]:
        """Return the nodes that share the database of the service, by name."""
        return await self._do(node_calls.nodes())

    async def drain_node(self, name: str) -> None:
        """Have a node claim nothing until it is resumed; see `Client.drain_node`."""
        await self._do(node_calls.drain(name))

    async def resume_node(self, name: str) -> None:
        """Have a node claim tasks again; see `Client.resume_node`."""
        await self._do(node_calls.resume(name))
