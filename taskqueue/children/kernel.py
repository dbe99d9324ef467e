"""What is asked of the operating system; what only Linux knows is quietly absent elsewhere."""

import ctypes
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

_LINUX = sys.platform == "linux"
# Source: prctl(2), linux/prctl.h.
_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36

# Loaded here, before any fork: a child of a fork should not have to load libraries.
_libc = ctypes.CDLL(None) if _LINUX else None


def signal_with_parent(number: signal.Signals) -> None:
    """Have this process sent a signal when the thread that started it ends.

    The thread, not its process: the user of this must be started by a thread that outlives it.
    A fork does not inherit it.
    """
    if _libc is not None:
        _libc.prctl(_SET_PDEATHSIG, int(number), 0, 0, 0)


def adopt_orphans() -> None:
    """Become the parent of those below us whose own parent ends, in the place of process 1."""
    if _libc is not None:
        _libc.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """Return the processes whose parent we are, as far as the system tells."""
    listed = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        return [int(pid) for pid in listed.read_text().split()]
    except FileNotFoundError:
        return []


def kill_group(leader: int) -> None:
    """Kill a process with all that belong to its group; nothing happens if none is left."""
    # EPERM: on some systems also of a group in which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def next_ended() -> int | None:
    """Return a child that has ended and is not reaped yet; None: there is none.

    Until it is reaped its id, and so that of its process group, is not given to another.

    Raises:
        ChildProcessError: there are no children at all.
    """
    ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    return None if ended is None else ended.si_pid
