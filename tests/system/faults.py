"""What happens to a database file from outside, and how it ends."""

import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from taskqueue.testing.process import ServiceProcess, children_of

GARBAGE = b"not what you think " * 1000


@dataclass(frozen=True)
class Fault:
    """One way for a database to fail while the context is entered."""

    name: str
    inflict: Callable[[ServiceProcess, Path], AbstractContextManager[None]]
    reason: str  # is part of what readiness says
    readable: bool = True  # what is there can be shown meanwhile
    lasts_s: float = 0.0  # at least


class SmallDisk(ServiceProcess):
    """A service whose data folder is a file system of 32 MiB that nobody else sees."""

    module = "tests.system.small_disk"


def works(*command: str) -> bool:
    """Run a command; tell whether it is there and succeeds."""
    found = shutil.which(command[0]) is not None
    return found and subprocess.run(command, check=False, capture_output=True).returncode == 0


@contextmanager
def immutable(_: ServiceProcess, database: Path) -> Iterator[None]:
    """Nobody may write, not even who has the file open. Unlike a mode, this binds root as well."""
    files = [str(database), f"{database}-wal"]
    try:
        if not works("chattr", "+i", *files):
            pytest.skip("`chattr +i` does not work here: it takes root, and a disk that knows it")
        yield
    finally:
        works("chattr", "-i", *files)


@contextmanager
def full(service: ServiceProcess, database: Path) -> Iterator[None]:
    """The disk has not a byte left."""
    ballast = database.with_name("ballast")
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    yield
    ballast.unlink()


@contextmanager
def failing(service: ServiceProcess, database: Path) -> Iterator[None]:
    """Every write of its processes fails with an I/O error."""
    before = {
        pid: resource.prlimit(pid, resource.RLIMIT_FSIZE)
        for pid in (service.pid, *children_of(service.pid))
    }
    for pid, (_, hard) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    yield
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def locked(_: ServiceProcess, database: Path) -> Iterator[None]:
    """Somebody sits in a shell with a transaction open."""
    with closing(sqlite3.connect(database, isolation_level=None)) as shell:
        shell.execute("PRAGMA busy_timeout = 10000")
        shell.execute("BEGIN EXCLUSIVE")
        yield
        shell.execute("ROLLBACK")


@contextmanager
def moved_away(_: ServiceProcess, database: Path) -> Iterator[None]:
    """The file is not where it was, as when a volume is not mounted."""
    elsewhere = database.with_name("elsewhere.db")
    database.rename(elsewhere)
    yield
    elsewhere.rename(database)


@contextmanager
def replaced(_: ServiceProcess, database: Path) -> Iterator[None]:
    """Something else stands in its place."""
    elsewhere, other = database.with_name("elsewhere.db"), database.with_name("other")
    other.write_bytes(GARBAGE)
    database.rename(elsewhere)
    other.rename(database)
    yield
    assert database.read_bytes() == GARBAGE  # nobody has repaired it
    elsewhere.replace(database)


@contextmanager
def header_lost(_: ServiceProcess, database: Path) -> Iterator[None]:
    """The first page is overwritten."""
    with _overwritten(database, 1):
        yield


@contextmanager
def page_lost(_: ServiceProcess, database: Path) -> Iterator[None]:
    """The page that leads to all tasks is overwritten."""
    with closing(sqlite3.connect(database)) as shell:
        [page] = shell.execute("SELECT rootpage FROM sqlite_master WHERE name = 'tasks'").fetchone()
    with _overwritten(database, page):
        yield


@contextmanager
def _overwritten(database: Path, page: int) -> Iterator[None]:
    """Damage one page in place; then restore the file in place, as from a backup."""
    with closing(sqlite3.connect(database, isolation_level=None)) as shell:
        [size] = shell.execute("PRAGMA page_size").fetchone()
        [version] = shell.execute("PRAGMA user_version").fetchone()
        # A write of somebody else empties the caches that would hide the damage for a while.
        shell.execute("PRAGMA user_version = 99")
        shell.execute(f"PRAGMA user_version = {version}")
        while shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            pass
    backup = database.read_bytes()
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(os.urandom(size))
    yield
    with database.open("r+b") as file:
        file.write(backup)
        file.truncate()


FAULTS = (
    Fault("immutable", immutable, reason="SQLITE_IOERR_WRITE"),
    Fault("failing", failing, reason="SQLITE_IOERR_WRITE"),
    Fault("locked", locked, reason="SQLITE_BUSY", lasts_s=5.0),
    Fault("moved away", moved_away, reason="No such file or directory", readable=False),
    Fault("replaced", replaced, reason="restore it from a backup", readable=False),
    Fault("header lost", header_lost, reason="restore it from a backup", readable=False),
    Fault("page lost", page_lost, reason="restore it from a backup", readable=False),
)
FULL = Fault("full", full, reason="SQLITE_FULL")
