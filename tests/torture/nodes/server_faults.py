"""What is done to the server, and to the connections to it."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ParamSpec, TypeAlias, TypeVar

import asyncpg

from tests.postgres_pair import PostgresPair
from tests.torture.harass import Fault
from tests.torture.nodes.site import NodesSite

P = ParamSpec("P")
T = TypeVar("T")
PairFault: TypeAlias = Callable[[PostgresPair, NodesSite, random.Random], Awaitable[bool]]

FAILOVER = "failover to the standby"
CONNECT_S = 5.0
CUTS, CUT_PAUSE_S = 10, 0.1
_CONNECTIONS = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def cut(url: str, share: float, site: NodesSite, draw: random.Random) -> bool:
    """End connections of the nodes, again and again: each with a probability of `share`."""
    is_done = False
    with contextlib.suppress(OSError, TimeoutError, asyncpg.PostgresError):
        superuser = await asyncpg.connect(url, timeout=CONNECT_S, command_timeout=CONNECT_S)
        try:
            for _ in range(CUTS):
                for [pid] in await superuser.fetch(_CONNECTIONS):
                    if draw.random() < share:
                        is_done |= await superuser.fetchval("SELECT pg_terminate_backend($1)", pid)
                await asyncio.sleep(draw.uniform(0.0, 2 * CUT_PAUSE_S))
        finally:
            superuser.terminate()
    return is_done


async def restart(mode: str, pair: PostgresPair, site: NodesSite, draw: random.Random) -> bool:
    """Restart the server: `fast` as an administrator does, `immediate` as a crash does."""
    with site.outage():
        await _to_the_end(pair.restart, mode)
    return True


async def crash_backend(pair: PostgresPair, site: NodesSite, draw: random.Random) -> bool:
    """SIGKILL one process of the server, as the OOM killer does: it drops all and recovers."""
    with site.outage():
        return await _to_the_end(pair.crash_backend)


async def fail_over(pair: PostgresPair, site: NodesSite, draw: random.Random) -> bool:
    """Crash the primary, let the standby take its place, and give that one a standby."""
    with site.outage():
        await _to_the_end(pair.fail_over)
    await _to_the_end(pair.replace_standby)
    return True


async def detach_standby(pair: PostgresPair, site: NodesSite, draw: random.Random) -> bool:
    """Stop the standby for a while: every commit waits for it."""
    with site.outage():
        await _to_the_end(pair.restart_standby, draw.uniform(0.2, 3.0))
    return True


async def _to_the_end(do: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run it in a thread, to its end also if the time of faults is over meanwhile."""
    doing = asyncio.create_task(asyncio.to_thread(do, *args, **kwargs))
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait({doing})
        raise


def cuts(url: str) -> Mapping[str, Fault[NodesSite]]:
    """Return what can be done at any server whose superuser we are."""
    return {
        "connections cut at random": partial(cut, url, 0.1),
        "all connections cut": partial(cut, url, 1.0),
    }


def crashes(pair: PostgresPair) -> Mapping[str, Fault[NodesSite]]:
    """Return what can be done to a server of our own."""
    faults: Mapping[str, PairFault] = {
        "restart of the server": partial(restart, "fast"),
        "crash of the server": partial(restart, "immediate"),
        "kill -9 of a process of the server": crash_backend,
        FAILOVER: fail_over,
        "restart of the standby": detach_standby,
    }
    return {name: partial(fault, pair) for name, fault in faults.items()}
