"""Starts a Python process that serves one end of a pipe.

launch(command) ─▶ Child: the process, and the socket whose other end it serves
"""

import errno
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from socket import socket
from typing import NamedTuple

from taskqueue.process import origin
from taskqueue.process.forks import socket_pair

# Where modules are looked for as long as no app has been loaded, whose folder comes first then. Our
# own place comes last, if it is not among them (an editable install): it may hold names of the
# standard library.
_ENTRIES: list[object] = [*sys.path]  # some put paths there, which Python does not heed
PATH = [entry for entry in _ENTRIES if isinstance(entry, str)]
if (_OURS := str(Path(__file__).parents[2])) not in PATH:
    PATH.append(_OURS)


class Child(NamedTuple):
    """A process that waits for its first message. It ends when the socket is closed."""

    end: socket
    process: "subprocess.Popen[bytes]"


def launch(
    command: str,
    *,
    has_site: bool,
    stdout: int,
    ignored: Sequence[signal.Signals] = (),
) -> Child:
    """Start a process. It shares neither terminal nor process group with this one.

    Args:
        command: the program, with `{path!r}` where it sets the path of its modules, and
            `{descriptor}` where it is told its end of the pipe.
        has_site: whether Python looks for packages once more, and runs their start-up code.
        stdout: its standard output. Its standard error is ours.
        ignored: signals that the program ignores. They are blocked until it can say so itself.

    Raises:
        OSError: the system has no room for it, or no Python is known.
    """
    if not origin.PYTHON:
        raise FileNotFoundError(errno.ENOENT, "no Python is known (sys.executable)")
    ours, theirs = socket_pair()
    with theirs:
        program = command.format(path=PATH, descriptor=theirs.fileno())
        options = ["-P", *([] if has_site else ["-S"]), "-c", program]
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ignored)  # which the process inherits
        try:
            process = subprocess.Popen(  # noqa: S603  our own code
                [origin.PYTHON, *options],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=origin.stream(2),
                env=origin.environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # a Ctrl-C in the terminal is for the service to answer
            )
        except OSError:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return Child(ours, process)


def when_ended(
    process: "subprocess.Popen[bytes]",
    then: Callable[[int], object],
    *,
    kill_after_s: float | None = None,
) -> None:
    """Have a thread wait for the end of a process, and call `then` there with its exit code.

    With `kill_after_s` it is killed after so many seconds, and the interpreter does not end before
    it has: nothing is left behind. Without, the interpreter does not wait for it.
    """
    threading.Thread(
        target=lambda: then(_waited(process, kill_after_s)),
        name=f"end-of-{process.pid}",
        daemon=kill_after_s is None,
    ).start()


def _waited(process: "subprocess.Popen[bytes]", kill_after_s: float | None) -> int:
    try:
        return process.wait(kill_after_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
