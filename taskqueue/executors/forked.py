"""Ends a child that a handler has forked and that has returned from the handler.

It is a copy of the process that runs handlers, with one of its threads: if it went on, it would run
further tasks beside its parent.
"""

import os
import sys
import traceback
from contextlib import suppress

from taskqueue.process.forks import generation


def end_if_forked(began_in: int) -> None:
    """End this process, unless it is of the generation in which the handler began.

    Its exit code is that of a program which ends the way the handler did. Call it in a `finally`
    around the handler.
    """
    if generation() == began_in:
        return
    code = _exit_code(sys.exception())
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # user code may have replaced or closed it
            stream.flush()
    os._exit(code)


def _exit_code(error: BaseException | None) -> int:
    match error:
        case None | SystemExit(code=None):
            return 0
        case SystemExit(code=int(code)):
            return code & 0xFF
        case _:
            if sys.stderr is not None:  # without it, `print_exception` writes to standard output
                with suppress(Exception):
                    traceback.print_exception(error)
            return 1
