"""Binds a Unix socket: a file whose permissions say who may connect."""

import contextlib
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from taskqueue.errors import Fault, ServiceNotStarted
from taskqueue.http.server.listener import BACKLOG
from taskqueue.process.forks import close_in_children

_OWNER_ONLY = 0o600


@contextmanager
def unix_listener(path: Path, mode: int) -> Iterator[socket.socket]:
    """Listen on a socket file of this mode in the block, and remove the file at its end.

    A file that a killed service has left is replaced.

    Raises:
        ServiceNotStarted: another process listens there, there is a file of another kind, or the
            folder is missing or not ours.
    """
    listener = close_in_children(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    with listener:
        try:
            _bind(listener, path, mode)
        except OSError as error:
            raise _refusal(f"cannot listen on {path}: {error.strerror or error}") from error
        made = _identity(path)
        try:
            yield listener
        finally:
            with contextlib.suppress(OSError):  # the folder may be gone
                if _identity(path) == made:  # and not of a service that has replaced it
                    path.unlink()


def _bind(listener: socket.socket, path: Path, mode: int) -> None:
    # Two services that start at once must not both take the file for a stale one.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        _remove_stale(path)
        os.fchmod(listener.fileno(), _OWNER_ONLY)  # the file begins with it, so it is never open
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(BACKLOG)
    finally:
        os.close(folder)


def _remove_stale(path: Path) -> None:
    try:
        is_socket = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if not is_socket:
        raise _refusal(f"{path} exists and is not a socket; remove it, or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except BlockingIOError:  # its backlog is full
            pass
    raise _refusal(f"another process listens on {path}; stop it, or choose another path")


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino


def _refusal(message: str) -> ServiceNotStarted:
    return ServiceNotStarted((Fault("listen", message),))
