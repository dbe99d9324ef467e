"""The figures of a task's life: from the enqueue to its result in the storage."""

import asyncio
import statistics
from threading import Event, Lock
from time import perf_counter

from msgspec.structs import replace

from benchmarks import life_floors
from benchmarks.harness import Figure, Measure, on_loop
from benchmarks.peers.field import BY_NAME
from benchmarks.peers.measures import end_to_end as peer_end_to_end
from benchmarks.programs import program
from benchmarks.results import Target
from benchmarks.running import Running, running
from taskqueue import App, Context
from taskqueue.rules.tasks import NewTask
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.connections.opener import WritesIn

AS_IT_COMES = Settings()  # two consumers of one slot, and nothing else is faster here

IN_FLIGHT = 256

app = App()


@app.task("no-op")
async def no_op(ctx: Context, number: int) -> int:
    """Do nothing; there is a result."""
    return number


# --- end to end -----------------------------------------------------------------------------------


def end_to_end(*, in_flight: int = IN_FLIGHT) -> Measure:
    """Return tasks per second from the first enqueue to the last result, each enqueued alone.

    A thread of its own enqueues for as long as there are seconds, with so many calls in flight; the
    clock stops when all of its tasks have ended.
    """

    @on_loop
    async def measured(seconds: float) -> float:
        async with running(app, AS_IT_COMES) as service:
            began = perf_counter()
            enqueuing = _enqueue_for(seconds, in_flight=in_flight)
            tasks = await asyncio.to_thread(asyncio.run, enqueuing)
            await service.ended(tasks)
            return tasks / (perf_counter() - began)

    return measured


async def _enqueue_for(seconds: float, *, in_flight: int) -> int:
    """Enqueue until the time is over; return how many."""
    ends_at = perf_counter() + seconds

    async def one_by_one() -> int:
        tasks = 0
        while perf_counter() < ends_at or tasks == 0:
            await no_op.enqueue(number=tasks)
            tasks += 1
        return tasks

    return sum(await asyncio.gather(*(one_by_one() for _ in range(in_flight))))


# --- beside a handler that computes ---------------------------------------------------------------

FEW_IN_FLIGHT = 64
NO_MORE = Event()


@app.task("compute")
def compute(ctx: Context) -> None:
    """Keep the interpreter busy, from a thread."""
    while not NO_MORE.is_set():
        sum(range(1_000))


def beside_a_thread(writes_in: WritesIn) -> Measure:
    """Return enqueues per second while a handler computes in a thread of the service."""

    @on_loop
    async def measured(seconds: float) -> float:
        NO_MORE.clear()
        async with running(app, AS_IT_COMES, writes_in=writes_in) as service:
            await compute.enqueue()
            try:
                began = perf_counter()
                tasks = await _enqueue_for(seconds, in_flight=FEW_IN_FLIGHT)
                took = perf_counter() - began
            finally:
                NO_MORE.set()
            await service.ended(tasks + 1)
            return tasks / took

    return measured


# --- drain ----------------------------------------------------------------------------------------


@on_loop
async def drain(seconds: float) -> float:
    """Return tasks per second, of 50,000 that wait or of less if there is less than a second."""
    tasks = life_floors.tasks_to_drain(seconds)
    async with running(app, AS_IT_COMES) as service:
        waiting = [no_op.prepare(number=number) for number in range(tasks)]
        return tasks / await _released_s(service, waiting)


async def _released_s(service: Running, waiting: list[NewTask]) -> float:
    """Return the seconds from the moment when these may be claimed until they all have ended."""
    await service.pause()
    await service.insert(waiting)
    released_at = perf_counter()
    await service.resume()
    await service.ended(len(waiting))
    return perf_counter() - released_at


# --- latency --------------------------------------------------------------------------------------


class Latency:
    """How long after its enqueue a task's handler begins, while nothing else is going on."""

    def __init__(self) -> None:
        self._samples_ms: list[float] = []

    def p50(self, seconds: float) -> float:
        """Measure for so long; return the median in milliseconds."""
        self._samples_ms = asyncio.run(_latencies_ms(seconds))
        return self.last_p50()

    def p99(self, seconds: float) -> float:
        """Measure for so long; return what 99 of 100 keep to, in milliseconds."""
        self._samples_ms = asyncio.run(_latencies_ms(seconds))
        return statistics.quantiles(self._samples_ms, n=100, method="inclusive")[98]

    def last_p50(self, _: float = 0.0) -> float:
        """Return the median of what was measured last, in milliseconds."""
        return statistics.median(self._samples_ms)


async def _latencies_ms(seconds: float) -> list[float]:
    """Return the times from before an enqueue to the first line of its handler."""
    loop = asyncio.get_running_loop()
    begun: asyncio.Future[float] = loop.create_future()
    stamps = App()

    @stamps.task("stamp")
    async def stamp(ctx: Context) -> None:
        loop.call_soon_threadsafe(begun.set_result, perf_counter())

    async def sample_ms() -> float:
        nonlocal begun
        begun = loop.create_future()
        enqueued_at = perf_counter()
        await stamp.enqueue()
        return (await begun - enqueued_at) * 1e3

    async with running(stamps, AS_IT_COMES):
        return await life_floors.with_pauses(sample_ms, seconds)


# --- many at once ---------------------------------------------------------------------------------


class NotAtOnce(Exception):
    """Fewer handlers ran at once than there were tasks and slots."""

    def __init__(self, peak: int, wanted: int) -> None:
        self.peak = peak
        self.wanted = wanted
        super().__init__(f"{peak} handlers ran at once, not {wanted}")


class Crowd:
    """Counts who is there, on any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._here = 0
        self.peak = 0

    def __enter__(self) -> None:
        """Be one more."""
        with self._lock:
            self._here += 1
            self.peak = max(self.peak, self._here)

    def __exit__(self, *_: object) -> None:
        """Be one less."""
        with self._lock:
            self._here -= 1


@on_loop
async def sleep_together(_: float) -> float:
    """Return the seconds from the release of 1,000 waiting sleepers until all have their results.

    Raises:
        NotAtOnce: one of them had slept enough before the last one began.
    """
    crowd, sleepers = Crowd(), App()
    count = life_floors.SLEEPERS

    @sleepers.task("sleep")
    async def sleep(ctx: Context) -> None:
        with crowd:
            await asyncio.sleep(life_floors.SLEEP_S)

    settings = replace(AS_IT_COMES, slots=count // AS_IT_COMES.consumers)
    async with running(sleepers, settings) as service:
        took_s = await _released_s(service, [sleep.prepare() for _ in range(count)])
    if crowd.peak < count:
        raise NotAtOnce(crowd.peak, count)
    return took_s


# --- all of it ------------------------------------------------------------------------------------

LATENCY = Latency()  # of each figure, ours is measured before its floor

FIGURES = (
    Figure(
        name="life.end_to_end_huey_sqlite",
        unit="/s",
        ours=end_to_end(),
        against="Huey on SQLite, which does not sync",
        floor=peer_end_to_end("huey-sqlite-nosync"),
        target=Target("ratio", "≥", 10),
        missing=BY_NAME["huey-sqlite"].missing,
    ),
    Figure(
        name="life.end_to_end_huey_sqlite_fsync",
        unit="/s",
        ours=end_to_end(),
        against="Huey on SQLite, which syncs as we do",
        floor=peer_end_to_end("huey-sqlite"),
        missing=BY_NAME["huey-sqlite"].missing,
    ),
    Figure(
        name="life.end_to_end_huey_redis",
        unit="/s",
        ours=end_to_end(),
        against="Huey on Redis in memory",
        floor=peer_end_to_end("huey-redis"),
        target=Target("ratio", "≥", 3),
        missing=BY_NAME["huey-redis"].missing,
    ),
    Figure(
        name="life.end_to_end_serial",
        unit="/s",
        ours=end_to_end(in_flight=1),
        against="Huey on SQLite, which does not sync, one call at a time too",
        floor=peer_end_to_end("huey-sqlite-nosync"),
        missing=BY_NAME["huey-sqlite"].missing,
    ),
    Figure(
        name="life.beside_a_thread",
        unit="/s",
        ours=beside_a_thread("process"),
        against="us, if commits were made on a thread as well",
        floor=beside_a_thread("thread"),
    ),
    Figure(
        name="life.drain",
        unit="/s",
        ours=drain,
        against="a bare loop with the same SQL",
        floor=life_floors.bare_drain,
        target=Target("ratio", "≥", 0.40),
    ),
    Figure(
        name="life.latency_p50",
        unit="ms",
        ours=LATENCY.p50,
        against="one commit on another thread, then a call",
        floor=life_floors.commit_then_call_p50,
        target=Target("ours", "≤", 1.0),
    ),
    Figure(
        name="life.latency_p99",
        unit="ms",
        ours=LATENCY.p99,
        against="our own p50, of the same samples",
        floor=LATENCY.last_p50,
        target=Target("ratio", "≤", 5),
    ),
    Figure(
        name="life.logging",
        unit="/s",
        ours=program("benchmarks.life_logged", "info"),
        against="us, without a log",
        floor=program("benchmarks.life_logged", "none"),
        target=Target("ratio", "≥", 0.90),
    ),
    Figure(
        name="life.concurrent",
        unit="s",
        ours=sleep_together,
        against="asyncio.gather of as many sleeps",
        floor=life_floors.sleeps,
        target=Target("ratio", "≤", 1.15),
    ),
)
