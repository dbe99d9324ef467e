"""Imports the service once, then forks a process for each command it is asked to run.

A request is one message on the socket that it was started with: JSON, with four descriptors (the
standard streams of the process, and a socket). On that socket it answers with the id of
the process, and with the exit code once it has ended. It ends when nobody can ask any more.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, NoReturn

# A service that is forked needs these, and would import them each time.
import taskqueue.cli.serving
import taskqueue.cli.supervised
import taskqueue.process.leaving
import taskqueue.process.pid1
import taskqueue.storage.sqlite.backend
import taskqueue.storage.sqlite.engine  # noqa: F401
from taskqueue.cli.command import COMMANDS, main

MESSAGE_BYTES = 1 << 18


class Request(NamedTuple):
    """What is to be run, and where."""

    arguments: Sequence[str]
    folder: str
    env: Mapping[str, str]


class Forked(Exception):
    """Raised in a child: run this."""

    def __init__(self, request: Request) -> None:
        self.request = request


class Origin:
    """Forks, and tells of the ends of what it has forked."""

    def __init__(self, asking: socket.socket) -> None:
        self._asking = asking
        self._ends: dict[int, socket.socket] = {}
        self._woken, waker = socket.socketpair()
        self._waker = waker
        waker.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer until the other side has gone.

        Raises:
            Forked: this is a child now.
        """
        with selectors.DefaultSelector() as selector:
            for end in (self._asking, self._woken):
                selector.register(end, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._woken:
                        self._woken.recv(4096)
                        self._reap()
                    elif not self._answer():
                        return

    def _answer(self) -> bool:
        text, descriptors, _, _ = socket.recv_fds(self._asking, MESSAGE_BYTES, 4)
        if not text:
            return False
        *streams, end = descriptors
        told = socket.socket(fileno=end)
        pid = os.fork()
        if pid == 0:
            self._become(streams)
            told.close()
            raise Forked(Request(**json.loads(text)))
        for descriptor in streams:
            os.close(descriptor)
        self._ends[pid] = told
        told.send(b"%d" % pid)
        return True

    def _become(self, streams: Sequence[int]) -> None:
        """Have nothing left of the parent."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for end in (self._asking, self._woken, self._waker, *self._ends.values()):
            end.close()
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
            os.close(descriptor)

    def _reap(self) -> None:
        while self._ends:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with self._ends.pop(pid) as told:
                told.send(b"%d" % os.waitstatus_to_exitcode(status))


def run(request: Request) -> NoReturn:
    """Be the command."""
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.env)
    sys.argv = ["taskqueue", *request.arguments]
    main(request.arguments)


if __name__ == "__main__":
    for command in COMMANDS:
        import_module(f"taskqueue.cli.{command}")
    gc.freeze()  # else the collector of each child would copy all of it
    try:
        Origin(socket.socket(fileno=int(sys.argv[1]))).serve()
    except Forked as forked:
        wanted = forked.request
    else:
        sys.exit()
    run(wanted)
