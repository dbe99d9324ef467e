"""What SQLite alone takes for the rows of one task at a time: no actors, no HTTP, no other process.

A service that does nothing else between a call and its answer cannot be quicker than this.
"""

import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, time

from benchmarks.apart import apart
from benchmarks.harness import rate
from benchmarks.life_floors import LEASE_S, OWNER, commit, database, new_task
from benchmarks.load import quantile
from taskqueue.rules.tasks import DEFAULT_QUEUE, Complete, Delivery, SettleBy
from taskqueue.storage.sqlite.operations import inserting, settling

ROOM = {DEFAULT_QUEUE: 2}


def lives_per_second(seconds: float) -> float:
    """Return tasks per second, each inserted as claimed in the commit that completes the last."""
    return apart(_lives_per_second, seconds)


def insert_p50_ms(seconds: float) -> float:
    """Return the median ms of a commit that inserts a task with a unique key, as a client has."""
    return apart(_insert_p50_ms, seconds)


def _lives_per_second(seconds: float) -> float:
    with _living() as live:
        return rate(live, seconds)


@contextmanager
def _living() -> Iterator[Callable[[], object]]:
    with tempfile.TemporaryDirectory() as folder, database(Path(folder) / "tasks.db") as db:
        claimed: tuple[Delivery, ...] = ()

        def live() -> None:
            nonlocal claimed
            now = time()
            done = [SettleBy(token=each.token, settlement=Complete(result="1")) for each in claimed]
            with commit(db) as tx:
                settling.complete(tx, done, now=now)
                _, claimed = inserting.insert_and_claim(
                    tx, [new_task()], room=ROOM, owner=OWNER, expires_at=now + LEASE_S, now=now
                )
            assert len(claimed) == 1

        yield live


def _insert_p50_ms(seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder, database(Path(folder) / "tasks.db") as db:
        found: list[float] = []
        ends_at = perf_counter() + seconds
        while perf_counter() < ends_at or not found:
            began = perf_counter()
            with commit(db) as tx:
                inserting.insert(tx, [new_task(unique_key=secrets.token_hex(16))], now=time())
            found.append(1e3 * (perf_counter() - began))
        return quantile(found, 0.5)
