"""What is done to a service on a file from outside, with strengths drawn from the seed."""

import asyncio
import contextlib
import errno
import os
import random
import resource
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from taskqueue.testing.process import ServiceEnded
from taskqueue.verification.kept import KeptService
from taskqueue.verification.site import LEASE_S
from tests.torture.file_site import FileSite
from tests.torture.harass import Fault
from tests.torture.service_faults import SERVICE_FAULTS, freeze

STARTS_WITHIN_S = 10.0


def of_service(fault: Fault[KeptService]) -> Fault[FileSite]:
    """Do something to the service of a site."""

    async def of_site(site: FileSite, draw: random.Random) -> bool:
        return await fault(site.service, draw)

    return of_site


async def freeze_service(site: FileSite, draw: random.Random) -> bool:
    """SIGSTOP for longer than a lease."""
    return await freeze(draw.uniform(1.1, 2.0) * LEASE_S, site.service)


async def kill_writer(site: FileSite, draw: random.Random) -> bool:
    """kill -9 of the process that commits."""
    return _send(site.writers, signal.SIGKILL)


async def freeze_writer(site: FileSite, draw: random.Random) -> bool:
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


async def disk_fault(line: str, site: FileSite, draw: random.Random) -> bool:
    """What the shim can do; `{}` in the line is drawn."""
    if site.disk is None:
        return False
    with site.disk.fault(line.format(draw.randint(20, 4_000))):
        await asyncio.sleep(draw.uniform(0.2, 2.5))
    return True


async def clock_jump(site: FileSite, draw: random.Random) -> bool:
    """The wall clock jumps, and back again."""
    if site.disk is None:
        return False
    seconds = draw.choice([-1, 1]) * draw.randint(2, 20)
    with site.disk.fault(f"clock shift {seconds}"):
        await asyncio.sleep(draw.uniform(0.5, 3.0))
    return True


async def fill_disk(site: FileSite, draw: random.Random) -> bool:
    """Let no file grow, wherever the next write happens to be.

    A limit on the size of files needs no rights and no file system of its own; unlike a full disk
    it refuses to write into the middle of a file as well.
    """
    log = site.database.with_name(f"{site.database.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    room = draw.randint(0, 2 * size)
    with contextlib.ExitStack() as limits:
        limited = [
            limits.enter_context(_limited(pid, room)) for pid in (site.service.pid, *site.writers)
        ]
        await asyncio.sleep(draw.uniform(0.2, 2.0))
    for pid in site.writers:  # one that was started meanwhile has inherited the limit
        with _limited(pid, room):
            pass
    return all(limited)


async def lock_database(site: FileSite, draw: random.Random) -> bool:
    """Somebody sits in a shell with a transaction open."""
    return await asyncio.to_thread(_lock, site.database, draw.uniform(0.2, 3.0))


DISK_FAULTS: Mapping[str, Fault[FileSite]] = {
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

FAULTS: Mapping[str, Fault[FileSite]] = {
    **{name: of_service(fault) for name, fault in SERVICE_FAULTS.items()},
    "disk full": fill_disk,
    "database locked": lock_database,
    "SIGSTOP past the lease": freeze_service,
    "kill -9 of the writer": kill_writer,
    "SIGSTOP of the writer": freeze_writer,
    **DISK_FAULTS,
}


async def spoil_the_making(site: FileSite, seed: int, on: Callable[[str], None]) -> int:
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
