"""The figures of a task that another process writes into the file of an idle service."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import servers
from benchmarks.apart import apart
from benchmarks.arrivals import Arrivals
from benchmarks.harness import Figure, Measure
from benchmarks.load import quantile
from benchmarks.processor import below_s
from benchmarks.results import Target
from taskqueue import Client
from taskqueue.storage.sqlite.engine import SQLiteStorage

IDLE_S = 0.1  # between two tasks: the service has nothing left to do
WARM_UP = 10
LEAST_IDLE_S = 5.0  # the parts of a service that come back now and then do so several times

_BARE = """
import asyncio

async def wake():
    while True:
        await asyncio.sleep(1 / 6)

asyncio.run(wake())
"""


def latency_ms(share: float) -> Measure:
    """Return the ms from before an enqueue to inside its handler, which this share keeps to."""

    def measured(seconds: float) -> float:
        with serving() as path:
            return quantile(apart(_latencies_ms, str(path), seconds), share)

    return measured


@contextmanager
def serving() -> Iterator[Path]:
    """Run the service until the block ends; yield its file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        with servers.service("app", "--database", str(path)):
            yield path


def _latencies_ms(path: str, seconds: float) -> list[float]:
    with Arrivals() as arrivals, Client(f"sqlite:///{path}") as queue:

        def latency_ms() -> float:
            time.sleep(IDLE_S)
            began_at = time.monotonic_ns()
            queue.enqueue("tell", port=arrivals.port)
            return (arrivals.next_at() - began_at) / 1e6

        for _ in range(WARM_UP):
            latency_ms()
        found, ends_at = [latency_ms()], time.monotonic() + seconds
        while time.monotonic() < ends_at:
            found.append(latency_ms())
        return found


def commit_ms(share: float) -> Measure:
    """Return the ms that a bare commit of a row takes, on the same disk at the same pace."""

    def measured(seconds: float) -> float:
        with TemporaryDirectory() as folder:
            return quantile(apart(_commits_ms, folder, seconds), share)

    return measured


def _commits_ms(folder: str, seconds: float) -> list[float]:
    path = Path(folder) / "tasks.db"
    asyncio.run(_make(path))
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE bare (text)")
        found, ends_at = [_commit_ms(db)], time.monotonic() + seconds
        while time.monotonic() < ends_at:
            time.sleep(IDLE_S)
            found.append(_commit_ms(db))
        return found


async def _make(path: Path) -> None:
    storage = SQLiteStorage(path)
    await storage.migrate()
    await storage.open()
    await storage.close()


def _commit_ms(db: sqlite3.Connection) -> float:
    began_at = time.monotonic_ns()
    db.execute("INSERT INTO bare VALUES ('hello, world')")
    return (time.monotonic_ns() - began_at) / 1e6


# --- while there is nothing to do -----------------------------------------------------------------


def idle_percent(seconds: float) -> float:
    """Return how much of a core a service takes that has nothing to do, in percent."""
    with serving():
        return _percent_below(seconds)


def bare_percent(seconds: float) -> float:
    """Return the same of a bare loop that wakes as often: a sleeping processor wakes slowly."""
    with subprocess.Popen([sys.executable, "-c", _BARE]) as bare:
        try:
            return _percent_below(seconds)
        finally:
            bare.kill()


def _percent_below(seconds: float) -> float:
    time.sleep(1.0)  # the start is over
    before, period_s = below_s(os.getpid()), max(seconds, LEAST_IDLE_S)
    time.sleep(period_s)
    return 100 * (below_s(os.getpid()) - before) / period_s


FIGURES = (
    Figure(
        name="wakeup.file_p50",
        unit="ms",
        ours=latency_ms(0.50),
        against="a bare commit of one row; the task takes two",
        floor=commit_ms(0.50),
        target=Target("ours", "≤", 5),
    ),
    Figure(
        name="wakeup.file_p99",
        unit="ms",
        ours=latency_ms(0.99),
        against="a bare commit of one row; the task takes two",
        floor=commit_ms(0.99),
        target=Target("ours", "≤", 25),
    ),
    Figure(
        name="wakeup.idle",
        unit="%",
        ours=idle_percent,
        against="a bare asyncio loop that wakes as often, six times a second",
        floor=bare_percent,
        target=Target("ours", "≤", 1),
    ),
)
