"""The fork server's way to ask its workers for the stacks of their handlers, beside their pipes.

A worker reads its pipe between attempts only. So it has a thread that waits on a socket of
datagrams, whose other end is here: it costs the service no descriptor, and one that does not answer
keeps only the asker waiting.
"""

import selectors
import socket
from contextlib import suppress

from taskqueue.children.frames import CHUNK, BadFrame, Frames
from taskqueue.children.messages import decoder
from taskqueue.executors.process.messages import Located
from taskqueue.process.forks import close_in_children


class Lookouts:
    """Our ends of these sockets, by worker."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        """Have `selector` report, with the worker's id as data, that an answer has come."""
        self._selector = selector
        self._ends: dict[int, socket.socket] = {}

    def add(self, pid: int, end: socket.socket) -> None:
        """Own the end for a new worker."""
        self._ends[pid] = close_in_children(end)
        self._selector.register(end, selectors.EVENT_READ, pid)

    def ask(self, pid: int) -> None:
        """Ask a worker; nothing happens if it has ended, or has not answered for long."""
        if pid in self._ends:
            with suppress(OSError):
                self._ends[pid].send(b"?")

    def answer(self, pid: int) -> Located | None:
        """Return the answer of a worker; None if user code has written there."""
        if pid not in self._ends:
            return None
        try:
            [located] = Frames[Located](decoder(Located)).feed(self._ends[pid].recv(CHUNK))
        except BlockingIOError:
            return None
        except (OSError, BadFrame, ValueError):
            self.remove(pid)
            return None
        return located if located.pid == pid else None

    def remove(self, pid: int) -> None:
        """Forget a worker. Harmless when repeated."""
        end = self._ends.pop(pid, None)
        if end is not None:
            self._selector.unregister(end)
            end.close()


def lookout_pair() -> tuple[socket.socket, socket.socket]:
    """Return the server's end, which does not block, and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    ours.setblocking(False)
    theirs.setblocking(True)
    return ours, theirs
