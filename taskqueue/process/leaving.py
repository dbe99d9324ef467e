"""Ends the process in time, even if threads or exit handlers of user code hang."""

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
    """End this process as the interpreter does at the end of a program, at the latest at `by`.

    Waits for the threads that are not daemons, then calls the functions that are registered with
    `atexit`. Both belong to user code and may hang. Signals are ignored. Call it once everything of
    ours is closed.

    Args:
        code: the exit code.
        by: an instant of the monotonic clock.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_cut, args=(code, by), name="exit-limit", daemon=True).start()
    # Not `sys.exit`: during the interpreter's shutdown no thread could enforce the limit.
    threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have replaced or closed it
            stream.flush()
    os._exit(code)


def _cut(code: int, by: float) -> None:
    sleep(max(_LEAST_S, by - monotonic()))
    os._exit(code)
