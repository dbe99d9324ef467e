"""Ends the process, whatever threads and exit handlers of user code still do."""

import atexit
import os
import signal
import sys
import threading
from contextlib import suppress
from time import monotonic, sleep
from typing import NoReturn

# How long after the drain a service ends at the latest. Two seconds are promised.
LEAVE_S = 1.8
_LEAST_S = 0.1  # for threads and exit handlers, however late it is


def leave(code: int, *, by: float) -> NoReturn:
    """End this process as the interpreter does at the end of a program, but not later than `by`.

    Waits for the threads that are no daemons, then calls what is registered with `atexit`: both
    belong to user code, and each may take for ever. Signals change nothing any more. Call it once
    everything of ours is closed.

    Args:
        code: the exit code.
        by: an instant of the monotonic clock.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_cut, args=(code, by), name="exit-limit", daemon=True).start()
    # Not `sys.exit`: once the interpreter tears itself down, no thread of it could keep the limit.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have replaced or closed it
            stream.flush()
    os._exit(code)


def _cut(code: int, by: float) -> None:
    sleep(max(_LEAST_S, by - monotonic()))
    os._exit(code)
