"""Tries the disk below a folder: its file system, its free space, its syncs."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from time import perf_counter

_SYNCS = 5
_BYTES = 4096  # a page
_MOUNTS = Path("/proc/self/mountinfo")


def free_bytes(folder: Path) -> int:
    """Return how much an ordinary user can still write there."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def sync_times(folder: Path) -> tuple[float, ...]:
    """Return how long each of a few syncs took, in seconds; empty if nothing can be written."""
    with suppress(OSError), tempfile.TemporaryFile(prefix=".taskqueue-doctor-", dir=folder) as file:
        return tuple(_sync_time(file.fileno()) for _ in range(_SYNCS))
    return ()


def _sync_time(descriptor: int) -> float:
    os.write(descriptor, os.urandom(_BYTES))
    began = perf_counter()
    os.fsync(descriptor)
    return perf_counter() - began


def kind_of(folder: Path) -> str | None:
    """Return the type of the file system, such as `ext4`, as Linux calls it."""
    with suppress(OSError):
        device = folder.stat().st_dev
        where = f"{os.major(device)}:{os.minor(device)}"
        # Source: proc_pid_mountinfo(5): "36 35 98:0 /root /mnt rw master:1 - ext3 /dev/root"
        for line in _MOUNTS.read_text().splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == where:
                return after.split()[0]
    return None
