"""What is done to the service from outside, at moments and with strengths drawn from the seed."""

import asyncio
import contextlib
import errno
import os
import random
import resource
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeAlias

import aiohttp

from taskqueue.testing.process import ServiceEnded
from taskqueue.verification.site import LEASE_S
from tests.torture.site import FaultySite

# A fault does its harm, undoes it, and says whether there was anything to harm.
Fault: TypeAlias = Callable[[FaultySite, random.Random], Awaitable[bool]]

LEAST_PAUSE_S, MOST_PAUSE_S = 0.1, 1.2  # between two faults
HTTP_TIMEOUT_S = 5.0
STARTS_WITHIN_S = 10.0


async def kill_service(site: FaultySite, draw: random.Random) -> bool:
    """kill -9."""
    await site.kill()
    return True


async def stop_service(site: FaultySite, draw: random.Random) -> bool:
    """SIGTERM, as a deploy does."""
    await site.stop()
    return True


async def kill_executors(site: FaultySite, draw: random.Random) -> bool:
    """kill -9 of some of the processes in which handlers run, as the OOM killer would."""
    children = list(descendants(site.pid))
    for pid in draw.sample(children, draw.randint(0, len(children))):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(children)


async def kill_actor(path: str, site: FaultySite, draw: random.Random) -> bool:
    """Press the let-it-crash button."""
    timeout = aiohttp.ClientTimeout(total=HTTP_TIMEOUT_S)
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # the gateway dies before it says
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.post(f"{site.url}/supervision/kill", json={"path": path}) as answer,
        ):
            return answer.status == 202
    return path.endswith("gateway")


async def freeze(site: FaultySite, draw: random.Random) -> bool:
    """SIGSTOP for longer than a lease, as a machine that swaps or is migrated does."""
    site.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(draw.uniform(1.1, 2.0) * LEASE_S)
    finally:
        site.send(signal.SIGCONT)  # also when the time of faults is over meanwhile
    return True


async def kill_writer(site: FaultySite, draw: random.Random) -> bool:
    """kill -9 of the process that commits."""
    return _send(site.writers, signal.SIGKILL)


async def freeze_writer(site: FaultySite, draw: random.Random) -> bool:
    """SIGSTOP of the process that commits, shorter or longer than the service waits for it."""
    writers = site.writers
    stopped = _send(writers, signal.SIGSTOP)
    try:
        await asyncio.sleep(draw.choice([draw.uniform(0.5, 2.0), 6.0]))
    finally:
        _send(writers, signal.SIGCONT)
    return stopped


def _send(pids: Sequence[int], number: signal.Signals) -> bool:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(pids)


async def disk_fault(line: str, site: FaultySite, draw: random.Random) -> bool:
    """What the shim can do; `{}` in the line is drawn."""
    if site.disk is None:
        return False
    with site.disk.fault(line.format(draw.randint(20, 4_000))):
        await asyncio.sleep(draw.uniform(0.2, 2.5))
    return True


async def clock_jump(site: FaultySite, draw: random.Random) -> bool:
    """The wall clock jumps, and back again."""
    if site.disk is None:
        return False
    seconds = draw.choice([-1, 1]) * draw.randint(2, 20)
    with site.disk.fault(f"clock shift {seconds}"):
        await asyncio.sleep(draw.uniform(0.5, 3.0))
    return True


async def fill_disk(site: FaultySite, draw: random.Random) -> bool:
    """Let no file grow, wherever the next write happens to be.

    A limit on the size of files needs no rights and no file system of its own; unlike a full disk
    it refuses to write into the middle of a file as well.
    """
    log = site.database.with_name(f"{site.database.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    room = draw.randint(0, 2 * size)
    with contextlib.ExitStack() as limits:
        limited = [limits.enter_context(_limited(pid, room)) for pid in (site.pid, *site.writers)]
        await asyncio.sleep(draw.uniform(0.2, 2.0))
    for pid in site.writers:  # one that was started meanwhile has inherited the limit
        with _limited(pid, room):
            pass
    return all(limited)


async def lock_database(site: FaultySite, draw: random.Random) -> bool:
    """Somebody sits in a shell with a transaction open."""
    return await asyncio.to_thread(_lock, site.database, draw.uniform(0.2, 3.0))


DISK_FAULTS: Mapping[str, Fault] = {
    "slow syncs": partial(disk_fault, "sync sleep {}"),
    "failing syncs": partial(disk_fault, f"sync error {errno.EIO}"),
    "failing writes": partial(disk_fault, f"write error {errno.EIO}"),
    "short writes": partial(disk_fault, "write short {}"),
    "failing reads": partial(disk_fault, f"read error {errno.EIO}"),
    "clock jumps": clock_jump,
}
"""Those that need the shim, and so a C compiler."""

MAKING = (
    f"sync error {errno.EIO}",
    f"write error {errno.EIO}",
    f"write error {errno.ENOSPC}",
    f"unlink error {errno.EIO}",
    "sync sleep 200",
    "",
)
"""What is wrong while the file is made."""

FAULTS: Mapping[str, Fault] = {
    "kill -9 of the service": kill_service,
    "SIGTERM and restart": stop_service,
    "kill -9 of executor processes": kill_executors,
    "kill of the database actor": partial(kill_actor, "root/database"),
    "kill of the queue actor": partial(kill_actor, "root/queue"),
    "kill of a consumer": partial(kill_actor, "root/consumers/consumer-1"),
    "kill of all consumers": partial(kill_actor, "root/consumers"),
    "kill of the gateway": partial(kill_actor, "root/gateway"),
    "disk full": fill_disk,
    "database locked": lock_database,
    "SIGSTOP past the lease": freeze,
    "kill -9 of the writer": kill_writer,
    "SIGSTOP of the writer": freeze_writer,
    **DISK_FAULTS,
}


async def harass(
    site: FaultySite, seed: int, injected: Counter[str], on: Callable[[str], None]
) -> None:
    """Do one thing after the other to the service, all kinds equally often, until cancelled.

    Args:
        site: where the service is.
        seed: decides what and when.
        injected: counts what was done.
        on: hears what is done now.
    """
    draw = random.Random(f"{seed}/faults")
    while True:
        for name in draw.sample(list(FAULTS), len(FAULTS)):
            await asyncio.sleep(draw.uniform(LEAST_PAUSE_S, MOST_PAUSE_S))
            on(name)
            injected[name] += await FAULTS[name](site, draw)
            if draw.random() < 0.8:  # else the next one strikes while it starts
                await site.ready()


async def spoil_the_making(site: FaultySite, seed: int, on: Callable[[str], None]) -> int:
    """Let some lives fail while they make the database, each at another line; return how many."""
    draw = random.Random(f"{seed}/making")
    for line in draw.sample(MAKING, len(MAKING)):
        on(f"made with {line!r}, then kill -9")
        faults = contextlib.nullcontext() if site.disk is None else site.disk.fault(line)
        with faults:
            life = await site.new_life().launch()
            with contextlib.suppress(TimeoutError, ServiceEnded):
                await life.wait_for("storage_not_there_yet", timeout_s=STARTS_WITHIN_S)
                await asyncio.sleep(draw.uniform(0.0, 0.2))
            await life.end()
    return len(MAKING)


def descendants(pid: int) -> Iterator[int]:
    """Yield the processes that a process has started, and theirs."""
    try:
        threads = [*Path(f"/proc/{pid}/task").iterdir()]
        children = [int(each) for t in threads for each in (t / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return
    for child in children:
        yield child
        yield from descendants(child)


@contextlib.contextmanager
def _limited(pid: int, size: int) -> Iterator[bool]:
    """Let a process write nothing beyond `size` bytes into any file; False if it is gone."""
    try:
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
    except ProcessLookupError:
        yield False
        return
    try:
        yield True
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


def _lock(database: Path, seconds: float) -> bool:
    with closing(sqlite3.connect(database, timeout=1.0, isolation_level=None)) as shell:
        try:
            shell.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:  # the service has been faster all the time
            return False
        time.sleep(seconds)
        shell.execute("ROLLBACK")
    return True
