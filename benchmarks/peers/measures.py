"""What is measured of a peer that runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeAlias, TypeVar

from benchmarks.apart import apart
from benchmarks.harness import Measure, silence_logs
from benchmarks.load import quantile
from benchmarks.peers.field import BY_NAME
from benchmarks.peers.peer import AT_ONCE
from benchmarks.peers.sessions import Session, session

T = TypeVar("T")
Measured: TypeAlias = Callable[[Session, float], Awaitable[T]]

IDLE_S = 0.02  # between two tasks, so that the peer has nothing left to do
WARM_UP = 20


def measured(peer: str, measure: Measured[T], seconds: float, *, workers: int = 1) -> T:
    """Run a peer in a fresh process, and return what `measure`, a function of a module, finds."""
    return apart(_measured, peer, measure, seconds, workers)


def _measured(peer: str, measure: Measured[T], seconds: float, workers: int) -> T:
    logging.disable()
    silence_logs()

    async def measured_in_session() -> T:
        async with session(BY_NAME[peer], workers=workers) as running:
            return await measure(running, seconds)

    return asyncio.run(measured_in_session())


def quantile_ms(peer: str, measure: Measured[list[float]], share: float) -> Measure:
    """Return the ms that this share of what `measure` finds does not exceed."""
    return lambda seconds: 1e3 * quantile(measured(peer, measure, seconds), share)


# --- one call after the other ---------------------------------------------------------------------


async def enqueueing_s(running: Session, seconds: float) -> list[float]:
    """Enqueue one task after the other; return how long each call took."""
    for _ in range(WARM_UP):
        await running.enqueue()
    found: list[float] = []
    ends_at = monotonic() + seconds
    while monotonic() < ends_at or not found:
        began = monotonic()
        await running.enqueue()
        found.append(monotonic() - began)
    return found


async def latencies_s(running: Session, seconds: float) -> list[float]:
    """Return how long after each enqueue its handler begins, while nothing else is going on."""
    for _ in range(WARM_UP):
        await _latency_s(running)
    found: list[float] = []
    ends_at = monotonic() + seconds
    while monotonic() < ends_at or not found:
        found.append(await _latency_s(running))
    return found


async def _latency_s(running: Session) -> float:
    await asyncio.sleep(IDLE_S)
    ran = len(running.ledger)
    began = monotonic()
    await running.enqueue()
    await running.ledger.reaches(ran + 1)
    [record, *_] = running.ledger.records(ran)
    return record.at_s - began


# --- many -----------------------------------------------------------------------------------------


async def end_to_end_per_s(running: Session, seconds: float, *, in_flight: int = 1) -> float:
    """Enqueue with so many calls at once for as long; return the rate until all have finished."""
    before, began = running.enqueued, monotonic()

    async def one_by_one() -> None:
        while monotonic() < began + seconds or running.enqueued == before:
            await running.enqueue()

    await asyncio.gather(*(one_by_one() for _ in range(in_flight)))
    await running.finish()
    return (running.enqueued - before) / (monotonic() - began)


async def bulk_per_s(running: Session, seconds: float) -> float:
    """Enqueue many at once for so long, which nobody runs meanwhile; return the rate."""
    before, began = running.enqueued, monotonic()
    while monotonic() < began + seconds:
        await running.enqueue_many(AT_ONCE)
    return (running.enqueued - before) / (monotonic() - began)


async def drain_per_s(running: Session) -> float:
    """Release what waits; return the rate from the first that runs until all have finished."""
    ran = len(running.ledger)
    await running.release()
    await running.finish()
    ended_at = monotonic()
    records = running.ledger.records(ran)
    return len(records) / (ended_at - records[0].at_s)


# --- all of it, in one session --------------------------------------------------------------------


async def round_of(running: Session, seconds: float) -> dict[str, float]:
    """Return every figure of `report.FIGURES` by its name, each measured for so long."""
    latencies = await latencies_s(running, seconds)
    await running.finish()
    before, began = running.enqueued, monotonic()
    calls = await enqueueing_s(running, seconds)
    await running.finish()
    end_to_end = (running.enqueued - before) / (monotonic() - began)
    await running.hold()
    bulk = await bulk_per_s(running, seconds)
    return {
        "enqueue_p50": 1e3 * quantile(calls, 0.50),
        "enqueue_p99": 1e3 * quantile(calls, 0.99),
        "enqueue": len(calls) / sum(calls),
        "bulk": bulk,
        "drain": await drain_per_s(running),
        "latency_p50": 1e3 * quantile(latencies, 0.50),
        "end_to_end": end_to_end,
    }
