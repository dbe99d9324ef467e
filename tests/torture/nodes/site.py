"""Several nodes on one database, and what is known of their outages."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from taskqueue.testing.process import ServiceProcess
from taskqueue.verification.collector import Collector
from taskqueue.verification.kept import KeptService, is_surprising
from taskqueue.verification.site import FLAGS, UnconfiguredProcess
from taskqueue.verification.statements import ENGINE
from taskqueue.verification.witness import NODE
from tests.bytecode import KEPT, fill
from tests.torture.nodes.outages import Outage

LEASE_S = 12.0
"""A node that is frozen within a commit holds up the others for 5 s: a lease lasts longer."""

SURE_S = 6.0
"""A lease is extended after a third of it: so long it lasts from any moment on, and to spare."""


# No absence of the server is a crash of an actor, or ends a node.
CRASHES = ("actor_crashed", "child_start_failed", "supervisor_escalated")
AS_ASKED = "the consumer goes down"  # says a handler

POLL_S = 0.1
ASK_TIMEOUT = aiohttp.ClientTimeout(total=1.0)  # a frozen node does not answer


class Node:
    """One of the services, with a name for the evidence."""

    def __init__(self, name: str, service: KeptService) -> None:
        self.name = name
        self.service = service
        self.is_harmed = False


class NodesSite:
    """A folder for the logs of nodes that share a database."""

    def __init__(self, folder: Path, url: str, nodes: int) -> None:
        """Use an empty folder and a database, by its URL."""
        self._folder = folder
        self._url = url
        self._draw = random.Random()
        self.evidence = Collector()
        self.nodes = [self._node(f"node-{number}") for number in range(1, nodes + 1)]
        self.outages: list[Outage] = []

    def _node(self, name: str) -> Node:
        return Node(
            name,
            KeptService(
                partial(self._new_life, name),
                lambda number: self._folder / f"{name}-{number:03}.jsonl",
                is_surprise=_is_surprise,
            ),
        )

    def _new_life(self, name: str) -> ServiceProcess:
        variables = {**KEPT, **self.evidence.variables, NODE: name}
        return UnconfiguredProcess(
            self._folder,
            *FLAGS,
            *("--app", "tests.torture.nodes.app:app", "--lease-s", str(LEASE_S)),
            *("--database", self._url),
            env={**variables, ENGINE: "postgres"},
        )

    @property
    def url(self) -> str:
        """Where one of the nodes is, drawn anew each time: as a simple load balancer does."""
        return self._draw.choice([node.service.url for node in self.nodes])

    @contextlib.asynccontextmanager
    async def open(self, draw: random.Random) -> AsyncIterator[None]:
        """Keep all nodes running while inside, and draw from them as a seed says."""
        self._draw = draw
        await asyncio.to_thread(fill)
        async with self.evidence.open():
            for node in self.nodes:
                node.service.start()
            try:
                await self._all_started()
                yield
            finally:
                for node in self.nodes:
                    await node.service.end()

    async def ready(self) -> None:
        """Wait until one node says that it accepts tasks."""
        async with aiohttp.ClientSession(timeout=ASK_TIMEOUT) as http:
            while True:
                if any(await asyncio.gather(*(_is_ready(http, node) for node in self.nodes))):
                    return
                await asyncio.sleep(POLL_S)

    async def _all_started(self) -> None:
        for node in self.nodes:
            await node.service.ready()

    async def close(self) -> None:
        """Stop all nodes as a deploy does."""
        await asyncio.gather(*(node.service.close() for node in self.nodes))

    @contextlib.contextmanager
    def harmed(self, draw: random.Random) -> Iterator[Node]:
        """Lend a node that is not harmed in another way at the same time."""
        node = draw.choice([node for node in self.nodes if not node.is_harmed])
        node.is_harmed = True
        try:
            yield node
        finally:
            node.is_harmed = False

    @contextlib.contextmanager
    def outage(self, node: str | None = None) -> Iterator[None]:
        """Note that a node, or every one, extends no lease while inside."""
        began_at = time.monotonic()
        try:
            yield
        finally:
            self.outages.append(Outage(node, began_at, time.monotonic()))

    def note_death(self, node: str) -> None:
        """Note that a node is being killed."""
        self.outages.append(Outage(node, time.monotonic()))

    @property
    def services(self) -> Sequence[KeptService]:
        """The services of the nodes."""
        return [node.service for node in self.nodes]


async def _is_ready(http: aiohttp.ClientSession, node: Node) -> bool:
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with http.get(f"{node.service.url}/ready") as answer:
            return answer.status == 200
    return False


def _is_surprise(event: Mapping[str, Any]) -> bool:
    is_crash = event.get("event") in CRASHES and AS_ASKED not in str(event.get("reason"))
    return is_crash or is_surprising(event)
