"""Who else could do the work: Huey, each time in a process of its own; see `huey_peer`."""

import shutil
from importlib.util import find_spec

from benchmarks.harness import Measure
from benchmarks.programs import program

_EXTRA = "pip install 'taskqueue-otp[bench]'"


def huey_sqlite(*, fsync: bool) -> Measure:
    """Return Huey's tasks per second on SQLite, with or without a sync of each commit."""
    broker = "sqlite-fsync" if fsync else "sqlite"
    return program("benchmarks.huey_peer", broker, "--workers", "thread", "--producers", "1")


def huey_redis() -> Measure:
    """Return Huey's tasks per second on Redis, with the better kind of workers.

    Which one that is depends on how busy the machine is. Each has as many producing threads as
    suit it.
    """
    return _better(_huey_redis("thread", producers=1), _huey_redis("process", producers=2))


def missing_for_sqlite() -> str | None:
    """Return what is missing here for Huey on SQLite."""
    return None if find_spec("huey") else f"the package huey ({_EXTRA})"


def missing_for_redis() -> str | None:
    """Return what is missing here for Huey on Redis."""
    if find_spec("redis") is None:
        return f"the package redis ({_EXTRA})"
    if shutil.which("redis-server") is None:
        return "the program redis-server"
    return missing_for_sqlite()


def _huey_redis(workers: str, *, producers: int) -> Measure:
    setup = ("--workers", workers, "--producers", str(producers))
    return program("benchmarks.huey_peer", "redis", *setup)


def _better(one: Measure, other: Measure) -> Measure:
    return lambda seconds: max(one(seconds), other(seconds))
