"""A process that holds one connection and calls what comes through a pipe, until that closes.

It belongs to one `ProcessConnection`. A service has it started before anything else, and that waits
for this module: it imports little.
"""

import gc
import os
import select
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

from taskqueue.children import kernel
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.frames import Body
from taskqueue.storage.sqlite.connections.pickling import answer, requested

# When to stop is the service's to say, by closing the socket after the last commit. Ctrl-C and
# service managers tell all processes at once.
NOT_FOR_US = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

FINISH_S = 10.0
"""How long a commit may go on after the service has ended; a second is long for one."""


def main(descriptor: int) -> None:
    """Serve on the socket, an inherited descriptor, to its end."""
    for number in NOT_FOR_US:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, NOT_FOR_US)
    # The service may go while there is an answer for it.
    with socket.socket(fileno=descriptor) as end, suppress(ConnectionError):
        end_with_service(end)
        opened: list[sqlite3.Connection] = []
        _serve(BlockingPipe(end, _undecoded), opened)
    # Not even the connection is closed, unless that was asked for: the last one of a file to be
    # closed checkpoints, and after a failed sync that loses what the sync has lost.
    os._exit(0)


def end_with_service(end: socket.socket) -> None:
    """Have this process end when the service has closed the socket, even if it hangs or is stopped.

    Otherwise it would keep the lock of the file, and no other service could start. A commit in
    progress gets `FINISH_S` to end.
    """
    kernel.signal_with_parent(signal.SIGCONT)  # a stopped one cannot do anything about itself
    threading.Thread(target=_end_after, args=(end.fileno(),), daemon=True).start()


def _end_after(descriptor: int) -> None:
    closed = select.poll()
    closed.register(descriptor, 0)  # the end of the connection is reported in any case
    closed.poll()
    time.sleep(FINISH_S)
    os._exit(1)


def _undecoded(body: Body) -> Body:
    """Leave it as it is: what cannot be decoded is answered, as an error of the request."""
    return body


def _serve(pipe: BlockingPipe[Body], opened: list[sqlite3.Connection]) -> None:
    """Connect as the first request says, then serve the others."""
    requests = _requests(pipe)
    for connect in requests:
        try:
            db = requested(connect)()
        except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the asker
            pipe.send(answer(None, error))
            return
        pipe.send(answer(None, None))
        opened.append(db)
        gc.freeze()
        for request in requests:
            pipe.send(_answer(request, db))


def _requests(pipe: BlockingPipe[Body]) -> Iterator[Body]:
    """Yield all messages but the first; its descriptors stay open until this process ends."""
    received = pipe.receive_with_descriptors()
    if received is not None:
        (_, *requests), _ = received
        yield from requests
        while (request := pipe.receive()) is not None:
            yield request


def _answer(request: Body, db: sqlite3.Connection) -> bytes:
    try:
        function = requested(request)
        return answer(function(db), None, to=function)
    except BaseException as error:  # noqa: BLE001  whatever it is, it belongs to the asker
        return answer(None, error)
