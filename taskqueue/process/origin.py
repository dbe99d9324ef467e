"""What this process inherited from its parent: standard streams, environment, interpreter.

User code may close, replace or redirect the streams, and set variables that keep Python from
starting. So we write to private copies of the streams, and start child processes with the original
environment.
"""

import fcntl
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Literal

PYTHON = sys.executable
"""The interpreter; empty if none is known. Bound now: user code may replace `sys.executable`."""

_FIRST_OTHER = 3
_streams: dict[int, int] = {}
_environment: dict[str, str] = {}


def remember() -> None:
    """Remember the streams and the environment. Call it first.

    Closed streams are opened on the null device: otherwise a file that is opened later would get
    the number of a stream, and output would go into it. Blocked signals are unblocked, because
    those that stop a service would never arrive.
    """
    for descriptor in range(_FIRST_OTHER):
        _make_sure_of(descriptor)
        _streams[descriptor] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _FIRST_OTHER)
    sys.stdin = sys.stdin or _text(0, "r")
    sys.stdout = sys.stdout or _text(1, "w")
    sys.stderr = sys.stderr or _text(2, "w")
    write_lines()
    _environment.update(os.environ)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def write_lines() -> None:
    """Write each printed line at once and in one piece.

    PYTHONUNBUFFERED writes the end of a line separately, and a block buffer ends after 8 KiB: lines
    of other processes could be mixed in.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, write_through=False)  # type: ignore[union-attr]


def stream(descriptor: int) -> int:
    """Return a copy of a standard stream; the stream itself if nothing has been remembered."""
    return _streams.get(descriptor, descriptor)


def keep_streams() -> None:
    """Reopen the standard streams that user code has closed. Call it before opening anything.

    The next file would get the number of a closed stream: it would receive what user code prints,
    and be closed when user code closes that stream again.
    """
    for descriptor, copy in _streams.items():
        try:
            fcntl.fcntl(descriptor, fcntl.F_GETFD)
        except OSError:
            # Not `dup2`: another thread may have opened something with this number meanwhile.
            with suppress(OSError):  # user code has closed our copy as well
                opened = fcntl.fcntl(copy, fcntl.F_DUPFD, descriptor)
                if opened != descriptor:
                    os.close(opened)


def environment() -> dict[str, str] | None:
    """Return the environment; None if nothing has been remembered."""
    return _environment or None


def _make_sure_of(descriptor: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # it gets the lowest number that is free: this one
        os.set_inheritable(descriptor, True)


def _text(descriptor: int, mode: Literal["r", "w"]) -> TextIOWrapper:
    return open(descriptor, mode, closefd=False, encoding="utf-8")
