"""The measurements of `taskqueue bench`, one after the other."""

import asyncio
import statistics
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path
from time import perf_counter

import aiohttp
from msgspec.structs import replace

from taskqueue.bench.disk import commits_per_second
from taskqueue.bench.measured import MeasuredService, measured_service
from taskqueue.bench.place import file_of
from taskqueue.bench.report import Finding
from taskqueue.settings import Settings

BATCH = 100
IN_FLIGHT = 100
CONNECTIONS = 32
BACKLOG = 200

# What part of the time each measurement has; the rest is for starting and stopping.
_SHARE = 0.1
_DRAIN_SHARE = 0.2


async def findings(
    settings: Settings, folder: Path, seconds: float
) -> AsyncGenerator[Finding, None]:
    """Measure for about `seconds`, all in `folder`, with what `settings` say; give what is found.

    There is one consumer at least.

    Raises:
        StartFailed, StorageUnavailable: the service does not run there, as when the disk is full.
        sqlite3.OperationalError: SQLite does not.
    """
    share_s = seconds * _SHARE
    settings = replace(settings, consumers=max(1, settings.consumers))
    for finding in _of_the_disk(settings, folder / "disk.db", share_s):
        yield finding
    accepted = 0
    async with measured_service(replace(settings, consumers=0), folder) as service:
        for name, in_flight, means in _ACCEPTING:
            began = perf_counter()
            count = await _count(service.work.no_op.enqueue, in_flight, share_s)
            yield Finding(
                name=name, value=count / (perf_counter() - began), unit="tasks/s", means=means
            )
            accepted += count
    async with measured_service(settings, folder) as service:
        yield await _drained(service, accepted, seconds * _DRAIN_SHARE)
    other = folder / "idle"
    other.mkdir()
    async with measured_service(settings, other) as service:
        for measured in (_latency, _end_to_end, _posted):
            for finding in await measured(service, share_s):
                yield finding


def _of_the_disk(settings: Settings, file: Path, seconds: float) -> list[Finding]:
    synchronous = file_of(settings).synchronous
    single, batch = (
        commits_per_second(file, rows=rows, synchronous=synchronous, seconds=seconds)
        for rows in (1, BATCH)
    )
    return [
        Finding(
            name="disk: a commit of 1 row",
            value=1e3 / single,
            unit="ms",
            means=(
                "SQLite alone: what one commit costs here, most of it the disk's sync. No task "
                "that waits for its own commit is accepted faster. A better disk shortens it, and "
                "synchronous = NORMAL, at the risk of the last tasks in a power cut."
            ),
        ),
        Finding(
            name=f"disk: commits of {BATCH} rows",
            value=batch * BATCH,
            unit="rows/s",
            means=(
                "SQLite alone: what commits are good for when many share one. The service puts all "
                "that waits into each commit, so many clients at once come near this, one does not."
            ),
        ),
    ]


_ACCEPTING = (
    (
        "enqueue: one at a time",
        1,
        (
            "A producer that waits for each task to be on disk before the next one. Bound by the "
            "disk's commit, not by the service: have several in flight, or send lists."
        ),
    ),
    (
        f"enqueue: {IN_FLIGHT} in flight",
        IN_FLIGHT,
        "The same with many producers at once, whose tasks share commits.",
    ),
)


async def _drained(service: MeasuredService, waiting: int, seconds: float) -> Finding:
    began = perf_counter()
    done = await service.ran(waiting, within_s=seconds)
    return Finding(
        name="drain: a backlog of no-ops",
        value=done / (perf_counter() - began),
        unit="tasks/s",
        means=(
            "Claimed, run and settled, nothing else going on: the most that handlers can get. If "
            "yours wait for others (HTTP, databases), raise slots; more consumers help those in "
            "threads. What is claimed ahead of them follows their pace by itself."
        ),
    )


async def _latency(service: MeasuredService, seconds: float) -> list[Finding]:
    await service.work.started_after_s()  # what only the first one costs is not counted
    found: list[float] = []
    ends_at = perf_counter() + seconds
    while len(found) < 2 or perf_counter() < ends_at:
        found.append(await service.work.started_after_s() * 1e3)
    return [
        Finding(
            name="latency: half of the tasks",
            value=statistics.median(found),
            unit="ms",
            means="From the call of enqueue over its commit to the handler, on an idle service.",
        ),
        Finding(
            name="latency: 99 of 100 tasks",
            value=statistics.quantiles(found, n=100, method="inclusive")[98],
            unit="ms",
            means="The same at its worst but one in a hundred: what a disk that hesitates costs.",
        ),
    ]


async def _end_to_end(service: MeasuredService, seconds: float) -> list[Finding]:
    before = service.work.done
    began = perf_counter()
    enqueued = 0

    async def enqueue() -> None:
        nonlocal enqueued
        enqueued += 1
        await service.work.no_op.enqueue()
        # Producers that outrun the consumers would have us wait for the backlog in the end.
        await service.ran(before + enqueued - BACKLOG, within_s=seconds)

    accepted = await _count(enqueue, IN_FLIGHT, seconds)
    await service.ended(before + accepted)
    return [
        Finding(
            name="end to end",
            value=accepted / (perf_counter() - began),
            unit="tasks/s",
            means=(
                f"Whole lives of tasks: {IN_FLIGHT} producers enqueue while consumers run what "
                "comes, and every result is on disk at the end. What the service sustains here."
            ),
        )
    ]


async def _posted(service: MeasuredService, seconds: float) -> list[Finding]:
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(service.url, connector=connector) as session:

        async def post() -> None:
            async with session.post("/tasks", json={"action": "no_op"}) as response:
                response.raise_for_status()
                await response.read()

        rate = await _rate(post, CONNECTIONS, seconds)
    return [
        Finding(
            name="POST /tasks",
            value=rate,
            unit="requests/s",
            means=(
                f"Over {CONNECTIONS} connections on loopback, while the tasks are run. The client "
                "shares this process and takes much of its time, so others get more. A list of "
                "tasks in one POST shares the costs of the request."
            ),
        )
    ]


async def _rate(once: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> float:
    began = perf_counter()
    done = await _count(once, in_flight, seconds)
    return done / (perf_counter() - began)


async def _count(once: Callable[[], Awaitable[object]], in_flight: int, seconds: float) -> int:
    """Await `once` again and again, so many at once, for `seconds`; return how often."""
    ends_at = perf_counter() + seconds
    done = 0

    async def go_on() -> None:
        nonlocal done
        while True:
            await once()
            done += 1
            if perf_counter() >= ends_at:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(in_flight):
            group.create_task(go_on())
    return done
