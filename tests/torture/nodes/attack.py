"""Nodes on PostgreSQL: killed, frozen, and cut from a server that crashes and fails over."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path

import asyncpg

from taskqueue.verification.behaviours import Behaviour
from taskqueue.verification.books import Books
from taskqueue.verification.kept import KeptService
from taskqueue.verification.load import Note
from taskqueue.verification.statements import POSTGRES
from tests.postgres_pair import PostgresPair
from tests.torture.harass import Fault, harass
from tests.torture.nodes.app import BEHAVIOURS_OF_NODES
from tests.torture.nodes.books import read_books
from tests.torture.nodes.gates import GateWatch
from tests.torture.nodes.node_faults import FREEZES, NODE_FAULTS
from tests.torture.nodes.outages import sure
from tests.torture.nodes.server_faults import FAILOVER, crashes, cuts
from tests.torture.nodes.site import SURE_S, NodesSite

PAUSE_S = (0.5, 3.0)  # between two faults of a kind; those of several kinds overlap


class NodesAttack:
    """What is done to several nodes that share an empty database."""

    behaviours: Mapping[str, Behaviour] = BEHAVIOURS_OF_NODES

    def __init__(
        self,
        folder: Path,
        url: str,
        *,
        nodes: int,
        server_faults: Mapping[str, Fault[NodesSite]],
        impossible: str = "",
    ) -> None:
        """Use an empty folder for the logs, and an empty database by its URL.

        `impossible` says which faults of servers are left out, and why.
        """
        self._url = url
        self._site = NodesSite(folder, url, nodes)
        self._gates = GateWatch(url)
        self._faults = {"nodes": NODE_FAULTS, "freezes": FREEZES, "server": server_faults}
        self._first = [name for name in server_faults if name == FAILOVER]
        self.impossible = impossible

    @property
    def faults(self) -> Sequence[str]:
        return [name for faults in self._faults.values() for name in faults]

    @property
    def services(self) -> Sequence[KeptService]:
        return self._site.services

    @property
    def url(self) -> str:
        return self._site.url

    @contextlib.asynccontextmanager
    async def opened(self, seed: int, on: Callable[[str], None]) -> AsyncIterator[None]:
        await self._make_tables()
        async with self._site.open(random.Random(f"{seed}/clients")):
            watching = asyncio.create_task(self._gates.run())
            try:
                yield
            finally:
                watching.cancel()
                await asyncio.wait({watching})

    async def _make_tables(self) -> None:
        db = await asyncpg.connect(self._url)
        for statement in POSTGRES.make_tables:
            await db.execute(statement)
        await db.close()

    async def ready(self) -> None:
        await self._site.ready()

    async def harass(self, seed: int, injected: Counter[str], on: Callable[[str], None]) -> None:
        async with asyncio.TaskGroup() as attackers:
            for kind, faults in self._faults.items():
                draw = random.Random(f"{seed}/{kind}")
                first = self._first if kind == "server" else ()
                attackers.create_task(
                    harass(self._site, faults, draw, injected, on, pause_s=PAUSE_S, first=first)
                )

    async def close(self) -> None:
        await self._site.close()

    async def books(self, notes: Sequence[Note], calm_at: float) -> Books:
        runs = sure(await self._site.evidence.runs(), self._site.outages, sure_s=SURE_S)
        return await read_books(self._url, notes, runs, calm_at=calm_at)

    def violations(self) -> Mapping[str, Sequence[str]]:
        found = [f"{each} ({times} times)" for each, times in self._gates.found.items()]
        return {f"gates out of order, in {self._gates.looks} looks": found}


def nodes_of(folder: Path, url: str, *, nodes: int) -> NodesAttack:
    """Attack nodes on a database of a server that is not ours to crash."""
    return NodesAttack(
        folder,
        url,
        nodes=nodes,
        server_faults=cuts(url),
        impossible="no restarts and no failover: the server is not ours",
    )


def nodes_of_pair(folder: Path, pair: PostgresPair, *, nodes: int) -> NodesAttack:
    """Attack nodes on a server of our own, in its maintenance database."""
    url = pair.server.url
    return NodesAttack(folder, url, nodes=nodes, server_faults={**cuts(url), **crashes(pair)})
