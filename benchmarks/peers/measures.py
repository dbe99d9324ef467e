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
from benchmarks.peers.sessions import Session, session

T = TypeVar("T")
Measured: TypeAlias = Callable[[Session, float], Awaitable[T]]

IDLE_S = 0.02  # between two tasks, so that the peer has nothing left to do
WARM_UP = 20


def measured(peer: str, measure: Measured[T], seconds: float) -> T:
    """Run a peer in a fresh process, and return what `measure`, a function of a module, finds."""
    return apart(_measured, peer, measure, seconds)


def _measured(peer: str, measure: Measured[T], seconds: float) -> T:
    logging.disable()
    silence_logs()

    async def measured_in_session() -> T:
        async with session(BY_NAME[peer]) as running:
            return await measure(running, seconds)

    return asyncio.run(measured_in_session())


def quantile_ms(peer: str, measure: Measured[list[float]], share: float) -> Measure:
    """Return the ms that this share of what `measure` finds does not exceed."""
    return lambda seconds: 1e3 * quantile(measured(peer, measure, seconds), share)


# --- one call after the other ---------------------------------------------------------------------


async def enqueueing_s(running: Session, seconds: float) -> list[float]:
    """Enqueue one task after the other; return how long each call took."""
    found: list[float] = []
    for number in range(WARM_UP):
        await running.producer.enqueue(number)
    ends_at = monotonic() + seconds
    while monotonic() < ends_at or not found:
        began = monotonic()
        await running.producer.enqueue(len(found))
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
    await running.producer.enqueue(ran)
    await running.ledger.reaches(ran + 1)
    [record, *_] = running.ledger.records(ran)
    return record.at_s - began
