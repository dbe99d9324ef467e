"""What is measured of a peer that runs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
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
LOOK_S = 0.01
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


async def end_to_end_of(running: Session, seconds: float) -> tuple[list[float], float]:
    """Enqueue as above; return that, and the rate from the first call until all have finished."""
    before, began = running.enqueued, monotonic()
    calls_s = await enqueueing_s(running, seconds)
    await running.finish()
    return calls_s, (running.enqueued - before) / (monotonic() - began)


def end_to_end(peer: str) -> Measure:
    """Return the rate of a peer with one producer, from the first call until all have finished."""
    return lambda seconds: measured(peer, end_to_end_of, seconds)[1]


# --- many -----------------------------------------------------------------------------------------


async def bulk_per_s(running: Session, seconds: float) -> float:
    """Enqueue many at once for so long, which nobody runs meanwhile; return the rate."""
    before, began = running.enqueued, monotonic()
    while monotonic() < began + seconds:
        await running.enqueue_many(AT_ONCE)
    return (running.enqueued - before) / (monotonic() - began)


async def drain_per_s(running: Session, seconds: float) -> float:
    """Release what waits; return at what rate it finishes, from the first, for so long at most.

    What finishes is what the peer says has; if it says nothing, what has begun.
    """
    ran, before = len(running.ledger), await running.finished()
    await running.release()
    await running.ledger.reaches(ran + 1)
    [first, *_] = running.ledger.records(ran)
    with suppress(TimeoutError):
        await asyncio.wait_for(running.ledger.reaches(running.enqueued), seconds)
    # A first commit may take longer than that, and nobody tells when it is there.
    while (ended := await running.finished()) == before and ended is not None:  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)
    now = monotonic()
    if before is None or ended is None:
        before, ended = ran, len(running.ledger)
    return (ended - before) / (now - first.at_s)


# --- all of it, in one session --------------------------------------------------------------------


async def round_of(running: Session, seconds: float) -> dict[str, float]:
    """Return every figure of `report.FIGURES` by its name, each measured for so long."""
    latencies = await latencies_s(running, seconds)
    await running.finish()
    calls, tasks_per_s = await end_to_end_of(running, seconds)
    await running.hold()
    bulk = await bulk_per_s(running, seconds)
    return {
        "enqueue_p50": 1e3 * quantile(calls, 0.50),
        "enqueue_p99": 1e3 * quantile(calls, 0.99),
        "enqueue": len(calls) / sum(calls),
        "bulk": bulk,
        "drain": await drain_per_s(running, seconds),
        "latency_p50": 1e3 * quantile(latencies, 0.50),
        "end_to_end": tasks_per_s,
    }
