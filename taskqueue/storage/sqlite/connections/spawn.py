"""Starts a process that writes, and can do so before it is needed.

spawn() ─▶ Spawned: the process, and a socket whose other end `process_main` serves
"""

import errno
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from taskqueue.errors import StorageUnavailable
from taskqueue.process import origin
from taskqueue.process.forks import socket_pair
from taskqueue.storage.sqlite.connections.process_main import NOT_FOR_US

# `-S`: it need not look for packages once more, as it is told where ours are. Our own place comes
# last, if it is not among them (an editable install): it may hold names of the standard library.
_ENTRIES: list[object] = [*sys.path]  # some put paths there, which Python does not heed
_PATH = [entry for entry in _ENTRIES if isinstance(entry, str)]
if (_OURS := str(Path(__file__).parents[4])) not in _PATH:
    _PATH.append(_OURS)

# The modules of what it will be asked for are imported before it is: the first commit is in time.
COMMAND = """\
import sys
sys.path[:] = {path!r}
from taskqueue.storage.sqlite.commit import batch
from taskqueue.storage.sqlite.connections import set_up
from taskqueue.storage.sqlite.disk import file
from taskqueue.storage.sqlite.operations import inserting, settling, writes
from taskqueue.storage.sqlite.connections.process_main import main
main({descriptor})
"""


class Spawned(NamedTuple):
    """A process that waits for its first word. It ends when the socket is closed."""

    end: socket.socket
    process: "subprocess.Popen[bytes]"


class SpawnedAhead:
    """Hands out the process that was started when this was made, and afterwards new ones.

    As a context manager it ends the first one, if nobody has taken that.
    """

    def __init__(self) -> None:
        """Start it; that none can be started is for whoever needs it to say."""
        try:
            self._first: Spawned | None = spawn()
        except StorageUnavailable:
            self._first = None

    def __call__(self) -> Spawned:
        """Return one that nobody else has.

        Raises:
            StorageUnavailable: as `spawn`.
        """
        first, self._first = self._first, None
        return first or spawn()

    def __enter__(self) -> "SpawnedAhead":
        return self

    def __exit__(self, *_: object) -> None:
        first, self._first = self._first, None
        if first is not None:
            first.end.close()
            first.process.wait()


def spawn() -> Spawned:
    """Start a process.

    Raises:
        StorageUnavailable: none can be started.
    """
    try:
        return _spawned()
    except OSError as error:
        reason = f"no process can be started to write: {error.strerror or error}"
        raise StorageUnavailable(reason) from error


def _spawned() -> Spawned:
    if not origin.PYTHON:
        raise FileNotFoundError(errno.ENOENT, "no Python is known (sys.executable)")
    ours, theirs = socket_pair()
    with theirs:
        try:
            return Spawned(ours, _started(theirs.fileno()))
        except OSError:
            ours.close()
            raise


def _started(descriptor: int) -> "subprocess.Popen[bytes]":
    # It inherits the mask: nothing of this ends it while it starts and cannot ignore it yet.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, NOT_FOR_US)
    try:
        return subprocess.Popen(  # noqa: S603  our own code
            [origin.PYTHON, "-P", "-S", "-c", COMMAND.format(path=_PATH, descriptor=descriptor)],
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=origin.stream(2),
            env=origin.environment(),
            process_group=0,  # nor is the terminal's Ctrl-Z for it
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
