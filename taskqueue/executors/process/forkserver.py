"""The fork server: a process with one thread that imports the app once and forks the workers.

It is the parent of all workers, so it alone knows their ids for sure, kills them with all that they
started, and reaps them. It ends when the service closes its pipe, in whatever way, and takes
everything below it along.
"""

import gc
import os
import selectors
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TypeAlias

from taskqueue.api.loading import load_app
from taskqueue.children import kernel
from taskqueue.children.blocking_pipe import BlockingPipe
from taskqueue.children.messages import decoder, framed
from taskqueue.errors import ConfigError
from taskqueue.events import events
from taskqueue.executors.process.child import work
from taskqueue.executors.process.lookouts import Lookouts, lookout_pair
from taskqueue.executors.process.memory import peak_mb
from taskqueue.executors.process.messages import (
    Ended,
    Fork,
    Forked,
    Kill,
    Locate,
    NotForked,
    Prepare,
    Prepared,
    ToForkServer,
    Unusable,
)
from taskqueue.logs import pipeline as logs
from taskqueue.process import origin
from taskqueue.structs import Struct


def main(descriptor: int) -> None:
    """Serve on the control pipe, an inherited descriptor, until it is closed."""
    origin.remember()
    kernel.signal_with_parent(signal.SIGTERM)
    kernel.adopt_orphans()
    ends: Ends | None = None
    # The service may go while we import its app: then there is no one to serve.
    with suppress(ConnectionError), socket.socket(fileno=descriptor) as control:
        pipe: BlockingPipe[ToForkServer] = BlockingPipe(control, decoder(ToForkServer))
        prepare = pipe.receive()
        if not isinstance(prepare, Prepare):
            return
        sys.path[:] = prepare.path
        with suppress(OSError):  # it is gone; the app may not need it
            os.chdir(prepare.folder)
        if prepare.log is not None:
            logs.configure(*prepare.log)
        try:
            app = load_app(prepare.app, prepare.folder)
        except ConfigError as error:
            pipe.send(framed(Unusable(reason=str(error))))
            return
        _ready_to_fork()
        pipe.send(framed(Prepared()))
        ends = _Server(control, pipe).serve()
    if ends is not None:
        with ends[0]:
            work(app, *ends)
        os._exit(0)  # what the app left to be done at the exit is not each worker's to do


def _ready_to_fork() -> None:
    if others := [thread.name for thread in threading.enumerate()[1:]]:
        # They do not exist in a forked child, but the locks they hold do.
        events.warning("fork_server_has_threads", threads=others)
    origin.keep_streams()  # before there are pipes of workers
    with suppress(Exception):  # the app may have replaced or closed it
        origin.write_lines()  # what is printed outlives a kill
    # Nothing of the app is garbage; a collection in a child would only copy its pages.
    gc.collect()
    gc.freeze()


Ends: TypeAlias = tuple[socket.socket, socket.socket]
"""What a worker has: its end of the pipe, and that of its line reporter."""


class _Server:
    """Forks and kills on request, and reaps processes as they end."""

    def __init__(self, control: socket.socket, pipe: BlockingPipe[ToForkServer]) -> None:
        self._control = control
        self._pipe = pipe
        self._ends: list[int] = []  # descriptors that came, for the forks that are still to do
        self._workers: set[int] = set()

    def serve(self) -> Ends | None:
        """Serve to the end, then return None; in each forked child return its ends."""
        with selectors.DefaultSelector() as selector, _signals() as signals:
            self._lookouts = Lookouts(selector)
            selector.register(self._control, selectors.EVENT_READ)
            selector.register(signals, selectors.EVENT_READ)
            while True:
                keys = [key for key, _ in selector.select()]
                ready = {key.fileobj for key in keys}
                self._hear(key.data for key in keys if key.data is not None)
                if signals in ready:
                    if signal.SIGTERM in signals.recv(1 << 10):
                        break
                    self._reap()
                if self._control in ready:
                    orders = self._orders()
                    if orders is None:
                        break
                    for order in orders:
                        if (ends := self._obey(order)) is not None:
                            return ends
            # Signals are still taken: one that comes now must not cut this short.
            self._take_all_along()
        return None

    def _orders(self) -> list[ToForkServer] | None:
        """Return the orders of the service; None when it has closed the pipe."""
        received = self._pipe.receive_with_descriptors()
        if received is None:
            return None
        orders, ends = received
        self._ends += ends
        return orders

    def _obey(self, order: ToForkServer) -> Ends | None:
        """Handle one request; return a value in a forked child only."""
        match order:
            case Fork():
                end = socket.socket(fileno=self._ends.pop(0))
                end.setblocking(True)
                return self._fork(end)
            case Locate(pid=pid):
                self._lookouts.ask(pid)
            case Kill(pid=pid) if pid in self._workers:
                kernel.kill_group(pid)
        return None

    def _hear(self, pids: Iterable[int]) -> None:
        for pid in pids:
            if (located := self._lookouts.answer(pid)) is not None:
                self._say(located)

    def _fork(self, end: socket.socket) -> Ends | None:
        server = os.getpid()
        try:
            ours, theirs = lookout_pair()
        except OSError as error:
            end.close()
            self._say(NotForked(reason=f"cannot fork: {error.strerror}"))
            return None
        try:
            pid = os.fork()
        except OSError as error:
            for each in (end, ours, theirs):
                each.close()
            self._say(NotForked(reason=f"cannot fork: {error.strerror}"))
            return None
        # Each side makes the group, so that it exists whichever runs first.
        with suppress(OSError):
            os.setpgid(pid, pid)
        if pid == 0:
            kernel.signal_with_parent(signal.SIGKILL)
            if os.getppid() != server:  # it ended before it could be watched
                os._exit(1)
            for other in self._ends:
                os.close(other)
            ours.close()
            return end, theirs
        end.close()
        theirs.close()
        self._workers.add(pid)
        self._lookouts.add(pid, ours)
        self._say(Forked(pid=pid))
        return None

    def _reap(self) -> None:
        """Reap what has ended: workers, and orphans of theirs that were left to us."""
        with suppress(ChildProcessError):
            while (pid := kernel.next_ended()) is not None:
                if pid in self._workers:
                    kernel.kill_group(pid)
                _, status, usage = os.wait4(pid, 0)
                if pid in self._workers:
                    self._workers.discard(pid)
                    self._lookouts.remove(pid)
                    code = os.waitstatus_to_exitcode(status)
                    peak = peak_mb(usage.ru_maxrss)
                    self._say(Ended(pid=pid, exit_code=code, peak_mb=peak))

    def _say(self, message: Struct) -> None:
        with suppress(ConnectionError):  # then the pipe has its end, and that is what counts
            self._pipe.send(framed(message))

    def _take_all_along(self) -> None:
        for pid in self._workers:
            kernel.kill_group(pid)
        for pid in self._workers:
            os.waitpid(pid, 0)
        # Now whatever they started in groups of its own, and kept alive, is a child of ours.
        while strays := kernel.children():
            for pid in strays:
                os.kill(pid, signal.SIGKILL)
            for pid in strays:
                os.waitpid(pid, 0)


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """Have the numbers of signals sent to a socket; leave them as usual in the end."""
    here, there = socket.socketpair()
    here.setblocking(False)
    there.setblocking(False)
    signal.set_wakeup_fd(there.fileno())
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, _noted)
    try:
        yield here
    finally:
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        here.close()
        there.close()


def _noted(_: int, __: FrameType | None) -> None:
    """Do nothing: the number is in the socket."""
