"""A process that holds one connection and calls what comes through a socket, until that closes.

It belongs to one `RemoteConnection`. A service has it started before anything else, and that waits
for this module: it imports little.
"""

import gc
import os
import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress

from taskqueue.storage.sqlite.wire import CHUNK, LENT, Frames, answer, requested

# When to stop is the service's to say, by closing the socket after the last commit. Ctrl-C and
# service managers tell all processes at once.
NOT_FOR_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_MOST_LENT = 8


def main(descriptor: int) -> None:
    """Serve on the socket, an inherited descriptor, to its end."""
    for number in NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOT_FOR_US)
    # A service that was killed resets the socket, if something was on its way to it.
    with socket.socket(fileno=descriptor) as end, suppress(ConnectionError):
        _serve(end)
    os._exit(0)  # nothing is left to be done at the exit, and somebody waits for it


def _serve(end: socket.socket) -> None:
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
        gc.freeze()
        with closing(db):
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
