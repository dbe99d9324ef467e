"""What limits cost: to tasks that have none, beside a crowd that waits for full keys, and to a key.

[the crowd]  tasks that wait behind 1,000 keys, each of which is full (`--rows` of them)
"""

import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

from benchmarks import growth, life_floors
from benchmarks.growth import OWNER, Lives, Verb
from benchmarks.harness import Figure, Measure, median_us, on_loop
from benchmarks.results import Target
from benchmarks.running import running
from taskqueue import App, Limit
from taskqueue.actors.messages import QUEUE
from taskqueue.commands import Pause, Resume
from taskqueue.ids import new_id
from taskqueue.rules.limits import LimitUse, LimitValues, encoded
from taskqueue.rules.tasks import DEFAULT_QUEUE, NewTask
from taskqueue.runtime import ask
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.engine import SQLiteStorage

KEYS = 1_000
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
        storage = SQLiteStorage(Path(folder) / "tasks.db")
        await storage.migrate()
        await storage.open()
        try:
            await storage.declare_limits({"key": ONE}, now=time.time())
            if rows:
                await _crowd(storage, rows)
            yield storage
        finally:
            await storage.close()


async def _crowd(storage: SQLiteStorage, rows: int) -> None:
    """Fill each key with a task that is held, and let the others wait for it."""
    await storage.insert([_keyed(key) for key in range(KEYS)], now=time.time())
    await storage.claim("crowd", limit=KEYS, owner=OWNER, lease_s=3_600.0, now=time.time())
    for start in range(0, rows, KEYS):
        tasks = [_keyed(key) for key in range(min(KEYS, rows - start))]
        await storage.insert(tasks, now=time.time())


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
    """Return how many waiting tasks of an action are done per second."""

    @on_loop
    async def measured(seconds: float) -> float:
        tasks = min(life_floors.tasks_to_drain(seconds), 5_000)
        waiting = [app.prepare(action, b'{"number": %d}' % number) for number in range(tasks)]
        return tasks / await _released_s(waiting, settings)

    return measured


async def _released_s(waiting: Sequence[NewTask], settings: Settings | None) -> float:
    async with running(app, settings) as service:
        queue = service.system.address(QUEUE)
        await ask(queue, Pause(queue=DEFAULT_QUEUE))
        await service.insert(list(waiting))
        released_at = perf_counter()
        await ask(queue, Resume(queue=DEFAULT_QUEUE))
        await service.ended(len(waiting))
        return perf_counter() - released_at


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
