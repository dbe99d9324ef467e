"""The service in a child process of an application. It ends with the application's process."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from time import monotonic

from taskqueue.api.app import App
from taskqueue.api.loading import load_app
from taskqueue.children import kernel
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.messages import decoder, framed
from taskqueue.cli.serving import Ended, Starter, serve
from taskqueue.embedding import role
from taskqueue.embedding.messages import Ready, Refused, Run, unpacked
from taskqueue.errors import ConfigError, Fault
from taskqueue.logs import pipeline as logs
from taskqueue.process import origin
from taskqueue.process.forks import close_in_children
from taskqueue.process.leaving import LEAVE_S, leave
from taskqueue.service import Service
from taskqueue.settings import Settings
from taskqueue.storage.databases import backend_of


def main(descriptor: int) -> None:
    """Run the service that the message on the pipe, an inherited descriptor, describes."""
    origin.remember()
    kernel.signal_with_parent(signal.SIGKILL)
    role.is_service = True
    with close_in_children(socket.socket(fileno=descriptor)) as end:
        pipe: BlockingPipe[Run] = BlockingPipe(end, decoder(Run))
        run = pipe.receive()
        if run is None:  # the application has ended
            return
        ended = _served(run, _Application(end, pipe))
    leave(ended.code, by=max(ended.drained_at, monotonic()) + LEAVE_S)


def _served(run: Run, application: "_Application") -> Ended:
    settings = unpacked(run.settings)
    with backend_of(settings.database) as backend:
        logs.configure(settings.log_format, settings.log_level)
        return serve(settings, backend, load=partial(_loaded, run), starter=application)


def _loaded(run: Run, settings: Settings) -> App:
    sys.path[:] = run.path
    app = load_app(settings.app, run.folder)
    if missing := [each for each in run.actions if each not in app.actions]:
        raise ConfigError(
            (
                Fault(
                    "app",
                    f"importing {settings.app} registers no handler of {', '.join(missing)}; "
                    "name a module that imports all handlers: "
                    "queue_lifespan('package.module:app')",
                ),
            )
        )
    return app


class _Application(Starter):
    """The process that has started this one."""

    def __init__(self, end: socket.socket, pipe: BlockingPipe[Run]) -> None:
        self._end = end
        self._pipe = pipe

    def ready(self, service: Service) -> None:
        # The kernel kills this process with its parent; where it cannot, the pipe tells.
        asyncio.get_running_loop().add_reader(self._end, _die)
        self._send(Ready(url=service.url))

    def refused(self, faults: Sequence[Fault]) -> None:
        self._send(Refused(faults=tuple(faults)))

    def _send(self, message: Ready | Refused) -> None:
        with suppress(ConnectionError):
            self._pipe.send(framed(message))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
