"""Huey's tasks per second, from the first enqueue to the last result, with two workers.

python -m benchmarks.huey_peer sqlite --workers thread --producers 1 0.5
python -m benchmarks.huey_peer redis --workers process --producers 2 0.5

Needs the packages of the extra `bench`, and for Redis a program `redis-server`, which it starts and
stops. The results are kept, as Huey does by default; nothing is logged.
"""

import argparse
import logging
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from time import perf_counter

from huey import Huey, RedisHuey, SqliteHuey
from huey.consumer import Consumer

WORKERS = 2
LOOK_S = 0.01  # between two looks at what has ended, as often as at ours
IDLE_S = 0.001  # between two looks of an idle worker at SQLite, which tells nobody
STOP_S = 0.1  # after which a worker that waits at Redis sees that it shall stop
STALLED_S = 20.0  # without a result, after which there will be none


class Stalled(Exception):
    """Some tasks have no result, and none has come for long."""

    def __init__(self, ended: int, tasks: int) -> None:
        self.ended = ended
        self.tasks = tasks
        super().__init__(f"{ended} of {tasks} tasks have a result, and no more come")


def tasks_per_second(huey: Huey, *, workers: str, producers: int, seconds: float) -> float:
    """Enqueue for so many seconds, wait for all results, and return the rate over both."""
    no_op = huey.task()(_no_op)
    consumer = Consumer(
        huey,
        workers=WORKERS,
        worker_type=workers,
        periodic=False,
        initial_delay=IDLE_S,
        max_delay=IDLE_S,
        backoff=1.0,
    )
    consumer.start()
    no_op(0)
    _wait_for_results(huey, 1)  # the workers have started, and are connected
    with ThreadPoolExecutor(producers) as threads:
        began = perf_counter()
        enqueuing = [
            threads.submit(_enqueue_until, began + seconds, no_op) for _ in range(producers)
        ]
        tasks = sum(each.result() for each in enqueuing)
    _wait_for_results(huey, 1 + tasks)
    took = perf_counter() - began
    consumer.stop(graceful=True)
    return tasks / took


def _no_op(number: int) -> int:
    return number


def _enqueue_until(ends_at: float, no_op: Callable[[int], object]) -> int:
    tasks = 0
    while perf_counter() < ends_at or tasks == 0:
        no_op(tasks)
        tasks += 1
    return tasks


def _wait_for_results(huey: Huey, tasks: int) -> None:
    ended, ended_at = 0, perf_counter()
    while (found := huey.result_count()) < tasks:
        if found != ended:
            ended, ended_at = found, perf_counter()
        elif perf_counter() - ended_at > STALLED_S:
            raise Stalled(ended, tasks)
        time.sleep(LOOK_S)


# --- brokers --------------------------------------------------------------------------------------


@contextmanager
def on_sqlite(folder: Path, *, fsync: bool) -> Iterator[Huey]:
    """A Huey on an SQLite file; without `fsync`, a power cut may take what it has accepted."""
    yield SqliteHuey(filename=str(folder / "huey.db"), fsync=fsync)


@contextmanager
def on_redis(folder: Path) -> Iterator[Huey]:
    """A Huey on a Redis of its own, which keeps nothing on disk and is reached by a socket file."""
    address = folder / "redis.sock"
    options = {"port": "0", "unixsocket": str(address), "save": "", "appendonly": "no"}
    command = ["redis-server", "--dir", str(folder)]
    for name, value in options.items():
        command += [f"--{name}", value]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for(server, address)
        yield RedisHuey(url=f"unix://{address}", read_timeout=STOP_S)
    finally:
        server.terminate()
        server.wait()


def _wait_for(server: "subprocess.Popen[bytes]", address: Path) -> None:
    while not _answers(address):
        if server.poll() is not None:
            raise subprocess.CalledProcessError(server.returncode, server.args)
        time.sleep(LOOK_S)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(address))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


# --- the command ----------------------------------------------------------------------------------

BROKERS: Mapping[str, Callable[[Path], AbstractContextManager[Huey]]] = {
    "sqlite": partial(on_sqlite, fsync=False),
    "sqlite-fsync": partial(on_sqlite, fsync=True),
    "redis": on_redis,
}


def main() -> None:
    """Measure; the last line is the rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("broker", choices=BROKERS)
    parser.add_argument("--workers", choices=("thread", "process"), required=True)
    parser.add_argument("--producers", type=int, required=True)
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    logging.getLogger("huey").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, BROKERS[options.broker](Path(folder)) as huey:
        found = tasks_per_second(
            huey,
            workers=options.workers,
            producers=options.producers,
            seconds=options.seconds,
        )
    print(found)


if __name__ == "__main__":
    main()
