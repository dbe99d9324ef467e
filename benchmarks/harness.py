"""The harness: measures a figure and its floor in turns.

    Figure(name="area.what", unit="/s", ours=ours, against="a bare queue", floor=floor)

`ours` and `floor` are plain functions, from the seconds they may spend to the number they found;
`on_loop` makes one of a coroutine function, `in_process` one that shares nothing with the others.
"""

import asyncio
import functools
import gc
import logging
import multiprocessing
import os
import statistics
import tracemalloc
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias, TypeVar

import structlog

from benchmarks.results import Result, Series, Target

T = TypeVar("T")
Measure: TypeAlias = Callable[[float], float]
AsyncMeasure: TypeAlias = Callable[[float], Coroutine[Any, Any, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What is measured, and beside what."""

    name: str
    unit: str
    ours: Measure
    against: str
    floor: Measure
    target: Target | None = None
    missing: str | None = None  # what it needs and this machine has not; then it is left out


def measure(figure: Figure, *, seconds: float, rounds: int) -> Result:
    """Measure ours, the floor, ours, the floor and so on, `seconds` each, as often as `rounds`."""
    pairs = [(_once(figure.ours, seconds), _once(figure.floor, seconds)) for _ in range(rounds)]
    ours, floor = zip(*pairs, strict=True)
    return Result(
        name=figure.name,
        unit=figure.unit,
        against=figure.against,
        ours=Series(ours),
        floor=Series(floor),
        target=figure.target,
    )


def _once(measured: Measure, seconds: float) -> float:
    gc.collect()  # nobody pays for what the one before left
    os.sync()  # nor for what it did not wait to see written
    return measured(seconds)


def silence_logs() -> None:
    """Let no log line of ours be written, nor rendered."""
    off = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=off, cache_logger_on_first_use=True)


# --- where it runs ----------------------------------------------------------------------------


def on_loop(measured: AsyncMeasure) -> Measure:
    """Run each measurement on a loop of its own."""

    @functools.wraps(measured)
    def measure_on_loop(seconds: float) -> float:
        return asyncio.run(measured(seconds))

    return measure_on_loop


def in_process(measured: Callable[[], float]) -> Measure:
    """Run each measurement in a fresh process. It takes as long as it takes.

    `measured` must be a function of a module.
    """

    @functools.wraps(measured)
    def measure_in_process(_: float) -> float:
        fresh = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=fresh, initializer=silence_logs) as process:
            return process.submit(measured).result()

    return measure_in_process


def apart(measured: Callable[[float], T], seconds: float) -> T:
    """Return what `measured` finds in a fresh process.

    It must be a function of a module, and what it returns must be picklable.
    """
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, initializer=silence_logs) as process:
        return process.submit(measured, seconds).result()


# --- what it does there -----------------------------------------------------------------------


def rate(once: Callable[[], object], seconds: float) -> float:
    """Return how often per second `once` can be called."""
    once()  # what only the first one costs is not counted
    done, began = 0, perf_counter()
    while True:
        once()
        done += 1
        took = perf_counter() - began
        if took >= seconds:
            return done / took


async def async_rate(once: Callable[[], Awaitable[object]], seconds: float) -> float:
    """Return how often per second `once` can be awaited."""
    await once()
    done, began = 0, perf_counter()
    while True:
        await once()
        done += 1
        took = perf_counter() - began
        if took >= seconds:
            return done / took


async def median_us(sample_s: Callable[[], Awaitable[float]], seconds: float) -> float:
    """Return the median of what `sample_s` returns in seconds, in microseconds."""
    samples, ends_at = [await sample_s()], perf_counter() + seconds
    while perf_counter() < ends_at:
        samples.append(await sample_s())
    return statistics.median(samples) * 1e6


async def kb_each(make: Callable[[], Awaitable[object]], count: int) -> float:
    """Return how much memory each of `count` objects takes that `make` returns, in KB.

    Counted by tracemalloc, which sees every block that Python asked for, to the byte and the same
    in each run. The resident set would add what the allocator has in reserve, which depends on
    what ran before.
    """
    first = await make()  # with what all the others share
    gc.collect()
    tracemalloc.start()
    kept = [await make() for _ in range(count)]
    gc.collect()
    total, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del first, kept
    return total / count / 1024
