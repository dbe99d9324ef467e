"""A process that holds one connection and calls what comes through a socket, until that closes.

It belongs to one `RemoteConnection`. A service has it started before anything else, and that waits
for this module: it imports little.
"""

import ctypes
import gc
import os
import select
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from taskqueue.storage.sqlite.connections.pickling import CHUNK, LENT, Frames, answer, requested

# When to stop is the service's to say, by closing the socket after the last commit. Ctrl-C and
# service managers tell all processes at once.
NOT_FOR_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FINISH_S = 10.0
"""How long a commit may go on after the service has ended; a second is long for one."""

_MOST_LENT = 8


def main(descriptor: int) -> None:
    """Serve on the socket, an inherited descriptor, to its end."""
    for number in NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOT_FOR_US)
    # A service that was killed resets the socket, if something was on its way to it.
    with socket.socket(fileno=descriptor) as end, suppress(ConnectionError):
        end_with_service(end)
        opened: list[sqlite3.Connection] = []
        _serve(end, opened)
    # Not even the connection is closed, unless that was asked for: the last one of a file to be
    # closed checkpoints, and after a failed sync that loses what the sync has lost.
    os._exit(0)


def end_with_service(end: socket.socket) -> None:
    """Have this process end when the service has closed the socket, even if it hangs or is stopped.

    Else it would keep the lock of the file, and no other service could start. What it has in hand
    gets `FINISH_S` to end.
    """
    continue_after_parent()  # a stopped one cannot do anything about itself
    threading.Thread(target=_end_after, args=(end.fileno(),), daemon=True).start()


def _end_after(descriptor: int) -> None:
    closed = select.poll()
    closed.register(descriptor, 0)  # the end of the connection is reported in any case
    closed.poll()
    time.sleep(FINISH_S)
    os._exit(1)


def continue_after_parent() -> None:
    """Have the kernel send SIGCONT to this process when the thread that started it ends."""
    if sys.platform == "linux":
        # Source: prctl(2), PR_SET_PDEATHSIG.
        ctypes.CDLL(None).prctl(1, int(signal.SIGCONT), 0, 0, 0)


def _serve(end: socket.socket, opened: list[sqlite3.Connection]) -> None:
    _, lent, *_ = socket.recv_fds(end, len(LENT), _MOST_LENT)
    for descriptor in lent:  # open from now on, and closed by the exit
        os.set_inheritable(descriptor, False)
    requests = _received(end)
    for connect in requests:
        try:
            db = requested(connect)()
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the asker
            _answer(end, error=error)
            return
        _answer(end)
        opened.append(db)
        gc.freeze()
        for request in requests:
            _call(request, db, end)


def _received(end: socket.socket) -> Iterator[bytearray]:
    frames = Frames()
    while data := end.recv(CHUNK):
        yield from frames.feed(data)


def _call(request: bytearray, db: sqlite3.Connection, end: socket.socket) -> None:
    try:
        value = requested(request)(db)
    except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the asker
        _answer(end, error=error)
    else:
        _answer(end, value)


def _answer(end: socket.socket, value: object = None, error: BaseException | None = None) -> None:
    end.sendall(answer(value, error))
