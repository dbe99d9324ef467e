"""The calls about nodes: list, drain and resume them."""

from typing import Any

from taskqueue.clock import Clock
from taskqueue.commands import Ask, DrainNode, GetNodes, ResumeNode
from taskqueue.http import problems
from taskqueue.http.answers import Answer
from taskqueue.http.nodes.answers import Drained, NodeList, NodeView
from taskqueue.http.problems import Problem
from taskqueue.http.route import Call


class NodeRoutes:
    """List, drain and resume nodes; `clock` tells how old a heartbeat is."""

    def __init__(self, ask: Ask, clock: Clock) -> None:
        self._ask = ask
        self._clock = clock

    async def list_nodes(self, _: Call[Any, Any]) -> Answer:
        """List the nodes that share the database, by name.

        A node is `silent` if its latest heartbeat is older than 10 s: it has died, is frozen, or
        cannot reach the database. It is left out after an hour, or at once if it was stopped.
        """
        found, now = await self._ask(GetNodes()), self._clock.now()
        return Answer(NodeList(nodes=[NodeView.of(node, now=now) for node in found]))

    async def drain_node(self, call: Call[Any, Any]) -> Answer:
        """Have a node claim nothing until it is resumed or restarted.

        Within a second it releases what it has claimed ahead, and finishes what runs. It goes on
        to answer calls and to accept tasks.
        """
        name = call.path["name"]
        if not await self._ask(DrainNode(name=name)):
            raise await self._no_node(name)
        return Answer(Drained(node=name, draining=True))

    async def resume_node(self, call: Call[Any, Any]) -> Answer:
        """Have a node claim tasks again."""
        name = call.path["name"]
        if not await self._ask(ResumeNode(name=name)):
            raise await self._no_node(name)
        return Answer(Drained(node=name, draining=False))

    async def _no_node(self, name: str) -> Problem:
        names = [node.name for node in await self._ask(GetNodes())]
        return problems.not_found("node", name, names)
