"""What is measured of several workers at once, each a process of its own, on one PostgreSQL."""

import asyncio
from time import monotonic

from benchmarks.load import quantile
from benchmarks.peers.measures import drain_per_s, latencies_s
from benchmarks.peers.peer import AT_ONCE
from benchmarks.peers.sessions import Session

IN_FLIGHT = 256
TO_DRAIN_PER_S = 30_000  # more than any of them does


async def fleet_of(running: Session, seconds: float) -> dict[str, float]:
    """Return the rates of a fleet, each measured for so long."""
    end_to_end = await end_to_end_per_s(running, seconds)
    await running.hold()
    for _ in range(0, int(TO_DRAIN_PER_S * seconds), AT_ONCE):
        await running.enqueue_many(AT_ONCE)
    return {"end_to_end": end_to_end, "drain": await drain_per_s(running, seconds)}


async def lone_of(running: Session, seconds: float) -> dict[str, float]:
    """Return the median from an enqueue to the start on another node, in ms, while both idle."""
    return {"latency_p50": 1e3 * quantile(await latencies_s(running, seconds), 0.50)}


async def end_to_end_per_s(running: Session, seconds: float) -> float:
    """Enqueue one task in each of 256 calls at once for so long; return the rate until all end."""
    before, began = running.enqueued, monotonic()

    async def one_by_one() -> None:
        while monotonic() < began + seconds:
            await running.enqueue()

    await asyncio.gather(*(one_by_one() for _ in range(IN_FLIGHT)))
    await running.finish()
    return (running.enqueued - before) / (monotonic() - began)
