"""Describes how a process ended, in one line."""

import signal

from taskqueue.executors.process.messages import Ended


def ending(ended: Ended | None, *, after_s: float) -> str:
    """Return the error of an attempt whose process ended `after_s` seconds into it.

    The memory is the most that the process had in its whole life. None stands for an end that
    was not seen.

    >>> ending(Ended(pid=7, exit_code=-11, peak_mb=31.4), after_s=0.5)
    'process killed by signal 11 (SIGSEGV) after 0.50 s; its memory was 31 MiB at most'
    >>> ending(Ended(pid=7, exit_code=3, peak_mb=31.4), after_s=0.5)
    'process exited with code 3 after 0.50 s; its memory was 31 MiB at most'
    """
    if ended is None:
        return f"process ended with its fork server after {after_s:.2f} s"
    how = _how(ended.exit_code)
    return f"process {how} after {after_s:.2f} s; its memory was {ended.peak_mb:.0f} MiB at most"


def _how(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    try:
        name = f" ({signal.Signals(-exit_code).name})"
    except ValueError:  # a realtime signal
        name = ""
    return f"killed by signal {-exit_code}{name}"
