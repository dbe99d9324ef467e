"""Huey, on SQLite or on Redis.

Two workers: threads on SQLite, where they wait for each other's transactions in any case, and
processes on Redis. SQLite tells nobody of a new task, so its idle workers look every millisecond.
Results are kept, as Huey does by default.
"""

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

from huey import Huey, RedisHuey, SqliteHuey

from benchmarks.peers import ledger
from benchmarks.peers.peer import address

WORKERS = 2
IDLE_S = "0.001"


def _huey(url: str) -> Huey:
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        fsync = parse_qs(parts.query)["fsync"] == ["1"]
        return SqliteHuey(filename=parts.path.removeprefix("/"), fsync=fsync)
    return RedisHuey(url=url)


huey = _huey(address())
_KIND = "thread" if isinstance(huey, SqliteHuey) else "process"


def _note(number: int) -> int:
    ledger.note(number)
    return number


note = huey.task()(_note)


async def install() -> None:
    """Make nothing: Huey makes its tables."""


def worker(_: int) -> Sequence[str]:
    """Return the command of its manual, at its fastest."""
    polling = ("--delay", IDLE_S, "--max-delay", IDLE_S, "--backoff", "1")
    workers = ("--workers", str(WORKERS), "--worker-type", _KIND)
    app = f"{__name__}.huey"
    consumer = (sys.executable, "-m", "huey.bin.huey_consumer", app)
    return (*consumer, *workers, *polling, "--no-periodic", "--quiet")


class HueyProducer:
    """Calls the task."""

    async def enqueue(self, number: int) -> None:
        """Enqueue one task."""
        note(number)

    async def enqueue_many(self, numbers: Sequence[int]) -> None:
        """Enqueue them one by one: Huey has no other way."""
        for number in numbers:
            note(number)

    async def finished(self) -> int:
        """Return how many results there are."""
        count: int = huey.result_count()
        return count


@asynccontextmanager
async def producing() -> AsyncIterator[HueyProducer]:
    """Connect at the first task."""
    yield HueyProducer()
