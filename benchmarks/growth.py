"""What it costs to have many tasks: each figure on a large file, beside the same on a small one."""

import atexit
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypedDict

import aiohttp

from benchmarks import grown
from benchmarks.harness import Figure, Measure, median_us, on_loop
from benchmarks.memory import resident_mb
from benchmarks.results import Target
from taskqueue.ids import new_id
from taskqueue.rules.tasks import (
    ENDED,
    Complete,
    Delivery,
    NewTask,
    Owner,
    SettleBy,
    Settled,
    Status,
)
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.process import ServiceProcess

FEW = 1_000
MANY = 20_000

OWNER = Owner(node="benchmark", incarnation="1")
WARM_UP = 0.5  # of the time of a measurement, before it begins
PAGE = 10  # tasks, of which even the small file has as many of each status
SHOWN = tuple(status for status in Status if status is not Status.RUNNING)
UNKNOWN = "nobody's"

AGAINST = f"the same with {FEW:,} tasks"

File: TypeAlias = Callable[[], Awaitable[Path]]
Verb: TypeAlias = Literal["insert", "claim", "settle"]


class Page(TypedDict, total=False):
    """Which tasks are asked for."""

    status: Status
    action: str
    queue: str


# --- the files ------------------------------------------------------------------------------------


class Files:
    """The files of one run, each made when it is first asked for and gone with the run."""

    def __init__(self) -> None:
        self.many = MANY
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    async def small(self) -> Path:
        """Return the file with few tasks."""
        return await self._of(FEW)

    async def large(self) -> Path:
        """Return the file with many."""
        return await self._of(self.many)

    async def _of(self, rows: int) -> Path:
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="taskqueue-growth-")
            atexit.register(self._folder.cleanup)
        path = Path(self._folder.name) / f"{rows}.db"
        if not path.exists():
            await grown.make(path, rows, now=time.time())
        return path


FILES = Files()


def on_file(measured: Callable[[Path, float], Coroutine[Any, Any, float]], file: File) -> Measure:
    """Run each measurement on a file."""

    @on_loop
    async def measure_on_file(seconds: float) -> float:
        return await measured(await file(), seconds)

    return measure_on_file


async def _warm_us(sample_s: Callable[[], Awaitable[float]], seconds: float) -> float:
    """Return the median once the pages that are worked on lie in memory, in microseconds."""
    await median_us(sample_s, seconds * WARM_UP)
    return await median_us(sample_s, seconds)


# --- the verbs of the storage ---------------------------------------------------------------------


class Lives:
    """Lets so many tasks at once live and go, so that the file stays as large as it is."""

    def __init__(self, storage: SQLiteStorage, at_once: int) -> None:
        self._storage = storage
        self._at_once = at_once
        self._claimed: tuple[Delivery, ...] = ()

    async def insert(self) -> None:
        """Insert new tasks."""
        tasks = [
            NewTask(id=new_id(), action=grown.ACTION, payload=grown.PAYLOAD % (n, n))
            for n in range(self._at_once)
        ]
        await self._storage.insert(tasks, now=time.time())

    async def claim(self) -> None:
        """Claim as many, the oldest."""
        self._claimed = await self._storage.claim(
            grown.QUEUE, limit=self._at_once, owner=OWNER, lease_s=3_600.0, now=time.time()
        )

    async def settle(self) -> None:
        """Complete what was claimed."""
        done = [SettleBy(token=each.token, settlement=DONE) for each in self._claimed]
        assert set(await self._storage.settle(done, now=time.time())) == {Settled.WRITTEN}

    async def expire(self) -> None:
        """Delete as many as were inserted, of those that ended first."""
        left = self._at_once
        for status in ENDED:
            left -= await self._storage.expire(status, ended_before=time.time(), limit=left)


DONE = Complete(result="null")


def life_us(verb: Verb, file: File, *, at_once: int) -> Measure:
    """Return the median time of one verb, between the others that make up a life."""

    async def measured(path: Path, seconds: float) -> float:
        async with _storage(path) as storage:
            lives = Lives(storage, at_once)
            return await _warm_us(lambda: _life_s(lives, verb), seconds)

    return on_file(measured, file)


def find_us(wanted: Sequence[Page], file: File) -> Measure:
    """Return the median time of finding a page of tasks, of one sort after the other."""

    async def measured(path: Path, seconds: float) -> float:
        pages = itertools.cycle(wanted)
        async with _storage(path) as storage:

            async def find() -> None:
                await storage.find(**next(pages), limit=PAGE, now=time.time())

            return await _warm_us(lambda: _spent_s(find), seconds)

    return on_file(measured, file)


async def _life_s(lives: Lives, verb: Verb) -> float:
    """Live; return how many seconds the verb took."""
    steps = {
        "insert": lives.insert,
        "claim": lives.claim,
        "settle": lives.settle,
        "expire": lives.expire,
    }
    spent_s = {name: await _spent_s(step) for name, step in steps.items()}
    return spent_s[verb]


async def _spent_s(step: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await step()
    return time.perf_counter() - began


@asynccontextmanager
async def _storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    storage = SQLiteStorage(path)
    await storage.open()
    try:
        yield storage
    finally:
        await storage.close()


# --- the service ----------------------------------------------------------------------------------


async def page_us(path: Path, seconds: float) -> float:
    """Return the median of `GET /tasks?status=` over HTTP, of one status after the other."""
    shown = itertools.cycle(SHOWN)
    async with (
        _service(path, "--consumers", "0") as service,
        aiohttp.ClientSession(service.url) as client,
    ):

        async def get_s() -> float:
            began = time.perf_counter()
            page = {"status": next(shown), "limit": str(PAGE)}
            async with client.get("/tasks", params=page) as answer:
                answer.raise_for_status()
                await answer.read()
            return time.perf_counter() - began

        return await _warm_us(get_s, seconds)


async def start_s(path: Path, _: float) -> float:
    """Return how long the service takes from being started to being ready."""
    began = time.perf_counter()
    async with _service(path) as service:
        took = time.perf_counter() - began
        await service.stop()
    return took


async def memory_mb(path: Path, _: float) -> float:
    """Return the resident memory of the service after a little work."""
    async with _service(path) as service, aiohttp.ClientSession(service.url) as client:
        for status in SHOWN:
            async with client.get("/tasks", params={"status": status}) as answer:
                answer.raise_for_status()
        for _ in range(5):
            tasks = [{"action": grown.ACTION, "data": {"n": n}} for n in range(100)]
            async with client.post("/tasks", json=tasks) as answer:
                answer.raise_for_status()
        await service.wait_for("task_completed", nth=10)
        used = resident_mb(service.pid)
        await service.stop()
    return used


@asynccontextmanager
async def _service(path: Path, *arguments: str) -> AsyncIterator[ServiceProcess]:
    quick = ("--demo-work-s", "0.01")
    async with ServiceProcess(path.parent, "--database", str(path), *quick, *arguments) as service:
        yield service


# --- all of it ------------------------------------------------------------------------------------


def _life(name: str, verb: Verb, at_once: int) -> Figure:
    return _flat(
        name,
        ours=life_us(verb, FILES.large, at_once=at_once),
        floor=life_us(verb, FILES.small, at_once=at_once),
    )


def _find(name: str, pages: Sequence[Page]) -> Figure:
    return _flat(name, ours=find_us(pages, FILES.large), floor=find_us(pages, FILES.small))


def _flat(name: str, *, ours: Measure, floor: Measure) -> Figure:
    return Figure(
        name=f"growth.{name}",
        unit="µs",
        ours=ours,
        against=AGAINST,
        floor=floor,
        target=Target("ratio", "≤", 1.5),
    )


FIGURES = (
    _life("enqueue", "insert", at_once=64),
    _life("claim", "claim", at_once=64),
    _life("settle", "settle", at_once=64),
    _life("enqueue_one", "insert", at_once=1),
    _life("claim_one", "claim", at_once=1),
    _life("settle_one", "settle", at_once=1),
    _find("find_status", [Page(status=status) for status in SHOWN]),
    _find("find_rare_action", [Page(action=grown.RARE_ACTION)]),
    _find("find_action", [Page(action=grown.ACTION), Page(queue=grown.QUEUE)]),
    _find(
        "find_rare_action_by_status",
        [Page(action=grown.RARE_ACTION, status=status) for status in SHOWN],
    ),
    _find(
        "find_unknown_queue",
        [Page(queue=UNKNOWN), *(Page(queue=UNKNOWN, status=status) for status in SHOWN)],
    ),
    _flat("get_tasks", ours=on_file(page_us, FILES.large), floor=on_file(page_us, FILES.small)),
    Figure(
        name="growth.start",
        unit="s",
        ours=on_file(start_s, FILES.large),
        against=AGAINST,
        floor=on_file(start_s, FILES.small),
        target=Target("difference", "≤", 1.0),
    ),
    Figure(
        name="growth.memory",
        unit="MB",
        ours=on_file(memory_mb, FILES.large),
        against=AGAINST,
        floor=on_file(memory_mb, FILES.small),
        target=Target("difference", "≤", 50),
    ),
)
