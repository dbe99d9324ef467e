"""Finds the process that holds the lock of a database, without taking it."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from taskqueue.storage.examination import Holder

_LOCKS = Path("/proc/locks")


def holder_of(path: Path) -> Holder | None:
    """Return the holder of the lock of the database at `path`; None if it is free.

    The lock file of a service that has ended is still there, but not locked: the kernel releases
    the locks of a process that dies.
    """
    for file in (path.with_name(f"{path.name}.lock"), path):
        with suppress(OSError):
            descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                if _is_locked(descriptor):
                    return _holder(os.fstat(descriptor))
            finally:
                os.close(descriptor)
    return None


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _holder(file: os.stat_result) -> Holder:
    pid = _pid(file) if _LOCKS.exists() else None
    return Holder(pid=pid, command=None if pid is None else _command(pid))


def _pid(file: os.stat_result) -> int | None:
    """Return the process that Linux names as the holder; 0 there is one of another container."""
    # Source: proc_locks(5): "1: FLOCK  ADVISORY  WRITE 708 08:01:13548 0 EOF"
    where = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    for line in _LOCKS.read_text().splitlines():
        words = line.split()
        if "FLOCK" in words and where in words:
            return int(words[words.index(where) - 1]) or None
    return None


def _command(pid: int) -> str | None:
    with suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return " ".join(os.fsdecode(word) for word in words if word) or None
    return None
