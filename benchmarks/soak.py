"""Whether the service stays as it is: the first tenth of a long run beside the last.

    python -m benchmarks soak --seconds 600 --rounds 1

A run has a process of its own. It is first saturated, to find how many tasks a second it carries
from end to end; then it gets 70 % of them, at a steady pace whatever becomes of them. All figures
are read off the same runs. What is completed is kept, so the file grows all the time: with it,
nothing else may.
"""

import asyncio
import math
import tempfile
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.harness import Figure, apart
from benchmarks.memory import resident_mb
from benchmarks.results import Target
from benchmarks.running import Running, running
from benchmarks.runs import Runs
from taskqueue import App, Context
from taskqueue.rules.tasks import ENDED
from taskqueue.storage.protocol import Storage

LOAD = 0.7  # of the maximum
SATURATED = 0.1  # of the time, before it begins
PRODUCERS = 64
BACKLOG = 2_000  # tasks, at which the saturating producers wait for the consumers
PACE_S = 0.005
LOOK_EACH = 20  # ticks, from one look at the log and the memory to the next

app = App()


@app.task("no_op")
async def no_op(ctx: Context, n: int) -> None:
    """Do nothing."""


# --- what a run finds -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A tenth of a run."""

    p99_us: float
    resident_mb: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run has found."""

    first: Part
    last: Part
    log_mb: float
    """The write-ahead log at its largest."""
    log_first_mb: float
    """The same of the first tenth."""


class Latencies:
    """A histogram in steps of one percent: it takes as little room for millions as for hundreds."""

    def __init__(self) -> None:
        self._counted: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Count one."""
        self._counted[math.ceil(math.log(max(seconds, 1e-6), 1.01))] += 1

    def p99_us(self) -> float:
        """Return what 99 % stay below, in microseconds."""
        left = math.ceil(self._counted.total() * 0.99)
        for step, count in sorted(self._counted.items()):
            left -= count
            if left <= 0:
                return float(1.01**step * 1e6)
        raise ValueError("nothing was counted")


class Tenth:
    """What is noted during a tenth of a run."""

    def __init__(self) -> None:
        self.latencies = Latencies()
        self.resident_mb: list[float] = []
        self.log_mb: list[float] = []

    def look(self, folder: Path) -> None:
        """Note how large the log and this process are."""
        self.log_mb.append((folder / "tasks.db-wal").stat().st_size / 2**20)
        self.resident_mb.append(resident_mb())

    def part(self) -> Part:
        """Return what it comes to."""
        return Part(p99_us=self.latencies.p99_us(), resident_mb=median(self.resident_mb))


# --- a run ----------------------------------------------------------------------------------------


def soak(seconds: float) -> Run:
    """Run for so many seconds."""
    return asyncio.run(_soak(seconds))


async def _soak(seconds: float) -> Run:
    with tempfile.TemporaryDirectory(prefix="taskqueue-soak-") as folder:
        async with running(app, folder=Path(folder)) as service:
            most = await _saturated(service, seconds * SATURATED)
            # At least one a tick, so that even the shortest run has something in each tenth.
            return await _paced(Path(folder), max(most * LOAD, 1 / PACE_S), seconds)


async def _saturated(service: Running, seconds: float) -> float:
    """Return how many tasks a second are carried from end to end."""
    began = perf_counter()
    accepted = 0
    room = asyncio.Event()
    room.set()

    async def produce() -> None:
        nonlocal accepted
        while perf_counter() - began < seconds:
            await room.wait()
            await no_op.enqueue(n=accepted)
            accepted += 1

    async def hold_back() -> None:
        while True:
            ended = await _ended(service)
            (room.set if accepted - ended < BACKLOG else room.clear)()
            await asyncio.sleep(PACE_S)

    holding_back = asyncio.create_task(hold_back())
    await asyncio.gather(*(produce() for _ in range(PRODUCERS)))
    await service.ended(accepted)
    holding_back.cancel()
    return accepted / (perf_counter() - began)


async def _ended(service: Running) -> int:
    counts = await service.storage.use(Storage.counts)
    return sum(counts[status] for status in ENDED)


async def _paced(folder: Path, rate: float, seconds: float) -> Run:
    """Enqueue so many tasks a second, late or not, and note how long each takes to be accepted."""
    tenths = [Tenth() for _ in range(10)]
    ticks = max(int(seconds / PACE_S), len(tenths))
    sent = 0
    began = perf_counter()
    async with asyncio.TaskGroup() as enqueueing:
        for tick in range(ticks):
            tenth = tenths[tick * 10 // ticks]
            due_at = began + tick * PACE_S
            await asyncio.sleep(due_at - perf_counter())
            due = int((tick + 1) * PACE_S * rate + 0.5)
            for n in range(sent, due):
                enqueueing.create_task(_accepted(n, due_at, tenth.latencies))
            sent = due
            if tick % LOOK_EACH == 0 or not tenth.log_mb:
                tenth.look(folder)
    return Run(
        first=tenths[0].part(),
        last=tenths[-1].part(),
        log_first_mb=max(tenths[0].log_mb),
        log_mb=max(max(tenth.log_mb, default=0.0) for tenth in tenths),
    )


async def _accepted(n: int, due_at: float, latencies: Latencies) -> None:
    # From when it was due and not from when it was sent: what comes late has waited, too.
    await no_op.enqueue(n=n)
    latencies.add(perf_counter() - due_at)


# --- all of it ------------------------------------------------------------------------------------

RUNS = Runs(partial(apart, soak))

FIGURES = (
    Figure(
        name="soak.accepted_p99",
        unit="µs",
        ours=RUNS.read(lambda run: run.last.p99_us),
        against="the first tenth of the run",
        floor=RUNS.read(lambda run: run.first.p99_us),
        target=Target("ratio", "≤", 1.3),
    ),
    Figure(
        name="soak.log",
        unit="MB",
        ours=RUNS.read(lambda run: run.log_mb),
        against="the first tenth of the run",
        floor=RUNS.read(lambda run: run.log_first_mb),
        target=Target("ours", "≤", 64),
    ),
    Figure(
        name="soak.memory",
        unit="MB",
        ours=RUNS.read(lambda run: run.last.resident_mb),
        against="the first tenth of the run",
        floor=RUNS.read(lambda run: run.first.resident_mb),
        target=Target("ratio", "≤", 1.05),
    ),
)
