"""What limits cost: to tasks that have none, beside a crowd that waits for full keys, and to a key.

[the crowd]  tasks that are parked behind 1,000 keys, each of which is full (`--rows` of them)
[a hot key]  one with one slot, for which 100,000 tasks wait; it is measured from when they are
             parked and a few thousand have ended, until 20,000 more have
"""

import atexit
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from benchmarks import growth
from benchmarks.growth import OWNER, Lives, Verb
from benchmarks.harness import Figure, Measure, median_us, on_loop
from benchmarks.results import Target
from benchmarks.running import Running, running
from taskqueue import App, Limit
from taskqueue.ids import new_id
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.tasks import NewTask, Unfinished
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.engine import SQLiteStorage

KEYS = 1_000
PARKED_AT_ONCE = 10  # tasks of each key
WAITING = 100_000
AT_ONCE = 64
ONE = LimitValues(running=1)

app = App()


@app.task("limited", limit=Limit(running=1, name="hot"))
async def limited(number: int) -> None:
    """Do nothing, one at a time."""


@app.task("unlimited")
async def unlimited(number: int) -> None:
    """Do nothing."""


# --- beside a crowd -------------------------------------------------------------------------------


def beside_us(verb: Verb, *, crowded: bool) -> Measure:
    """Return the median time of a verb for tasks without limits."""

    @on_loop
    async def measured(seconds: float) -> float:
        rows = growth.FILES.many if crowded else 0
        async with _storage(rows) as storage:
            lives = Lives(storage, AT_ONCE)

            async def once_s() -> float:
                spent = {}
                for name, step in (
                    ("insert", lives.insert),
                    ("claim", lives.claim),
                    ("settle", lives.settle),
                ):
                    began = perf_counter()
                    await step()
                    spent[name] = perf_counter() - began
                return spent[verb]

            await median_us(once_s, seconds / 2)
            return await median_us(once_s, seconds)

    return measured


@asynccontextmanager
async def _storage(rows: int) -> AsyncIterator[SQLiteStorage]:
    with tempfile.TemporaryDirectory(prefix="taskqueue-limits-") as folder:
        path = Path(folder) / "tasks.db"
        if rows:
            shutil.copy(await CROWDS.of(rows), path)
        async with _opened(path) as storage:
            yield storage


@asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    try:
        await storage.declare_limits({"key": ONE}, now=time.time())
        yield storage
    finally:
        await storage.close()


class Crowds:
    """The files with a crowd, each made when it is first asked for and gone with the run."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def of(self, rows: int) -> Path:
        """Return the file with so many parked tasks."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="taskqueue-crowd-")
            atexit.register(self._folder.cleanup)
        path = Path(self._folder.name) / f"{rows}.db"
        if not path.exists():
            async with _opened(path) as storage:
                await _crowd(storage, rows)
        return path


CROWDS = Crowds()


async def _crowd(storage: SQLiteStorage, rows: int) -> None:
    """Fill each key with a task that is held, and park the others behind it."""
    await storage.insert([_keyed(key) for key in range(KEYS)], now=time.time())
    await _claim_all(storage)
    for start in range(0, rows, KEYS * PARKED_AT_ONCE):
        here = range(start, min(start + KEYS * PARKED_AT_ONCE, rows))
        await storage.insert([_keyed(number % KEYS) for number in here], now=time.time())
        await _claim_all(storage)


async def _claim_all(storage: SQLiteStorage) -> None:
    is_finished = False
    while not is_finished:
        claimed = await storage.claim(
            "crowd", limit=KEYS, owner=OWNER, lease_s=3_600.0, now=time.time()
        )
        is_finished = not isinstance(claimed, Unfinished)


def _keyed(key: int) -> NewTask:
    return NewTask(
        id=new_id(),
        action="limited",
        payload="{}",
        queue="crowd",
        limits=encoded((LimitUse("key", f"{key}"),)),
    )


# --- one hot key ----------------------------------------------------------------------------------


def drained(action: str, settings: Settings | None) -> Measure:
    """Return how many of the waiting tasks of an action are done per second."""

    @on_loop
    async def measured(seconds: float) -> float:
        tasks = int(WAITING * min(1.0, 2 * seconds))
        waiting = [app.prepare(action, b'{"number": %d}' % number) for number in range(tasks)]
        async with running(app, settings) as service:
            await service.pause()
            await service.insert(waiting)
            await service.resume()
            return await _rate(service, after=tasks // 20, sample=tasks // 5)

    return measured


async def _rate(service: Running, *, after: int, sample: int) -> float:
    """Return how many tasks end per second, of a sample that begins after so many."""
    before = await service.ended(after)
    began = perf_counter()
    ended = await service.ended(before + sample)
    return (ended - before) / (perf_counter() - began)


def _beside(verb: Verb) -> Figure:
    return Figure(
        name=f"limits.{verb}_beside",
        unit="µs",
        ours=beside_us(verb, crowded=True),
        against="the same without tasks that wait",
        floor=beside_us(verb, crowded=False),
        target=Target("ratio", "≤", 1.3),
    )


FIGURES = (
    _beside("insert"),
    _beside("claim"),
    _beside("settle"),
    Figure(
        name="limits.hot_key",
        unit="/s",
        ours=drained("limited", None),
        against="a queue with one slot",
        floor=drained("unlimited", Settings(consumers=1, slots=1)),
        target=Target("ratio", "≥", 0.5),
    ),
)
