"""The processes of a run: their resources, and which of them outlive the service."""

import asyncio
import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.torture.service_faults import descendants

PR_SET_CHILD_SUBREAPER = 36
POLL_S = 0.02
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class Resources:
    """The resources of one process."""

    descriptors: int
    threads: int
    memory_mib: float


def adopt_orphans() -> None:
    """Become the parent of processes that the service leaves behind, so that they are found."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def resources(pid: int) -> Resources:
    """Return the resources of a process.

    Raises:
        OSError: it has ended.
    """
    process = Path(f"/proc/{pid}")
    return Resources(
        descriptors=len([*(process / "fd").iterdir()]),
        threads=len([*(process / "task").iterdir()]),
        memory_mib=int((process / "statm").read_text().split()[1]) * PAGE / (1 << 20),
    )


async def resources_at_rest(pid: int, *, within_s: float) -> Resources:
    """Return the least that a process has within some time, so that threads of handlers may end."""
    end = time.monotonic() + within_s
    least = resources(pid)
    while time.monotonic() < end:
        await asyncio.sleep(POLL_S)
        now = resources(pid)
        least = Resources(
            descriptors=min(least.descriptors, now.descriptors),
            threads=min(least.threads, now.threads),
            memory_mib=min(least.memory_mib, now.memory_mib),
        )
    return least


async def ended(*, within_s: float) -> Sequence[str]:
    """Wait until all descendants of this process have ended; kill those left, and describe them."""
    end = time.monotonic() + within_s
    while (left := _alive()) and time.monotonic() < end:  # noqa: ASYNC110 - no event tells
        await asyncio.sleep(POLL_S)
    described = [_described(pid) for pid in left]
    while left := _alive():
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(POLL_S)
    return described


def _alive() -> Sequence[int]:
    """Return the descendants that run; reap children that have ended."""
    alive = []
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            if _state(pid) != "Z":
                alive.append(pid)
            else:
                os.waitpid(pid, os.WNOHANG)
    return alive


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _described(pid: int) -> str:
    with contextlib.suppress(OSError):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return f"{pid} ({_state(pid)}) {command.strip()[:200]}"
    return str(pid)
