"""The service's end of a worker's pipe: it is told what comes, and writes without waiting."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from taskqueue.executors.process.frames import CHUNK, BadFrame, Frames, framed
from taskqueue.structs import Struct

T = TypeVar("T")


class Wire(Generic[T]):
    """One end of a pipe that belongs to the running loop, for messages of `kind`.

    No task waits on it, which would cost a switch for each message: the loop calls `hear` with
    every message as it comes, and `lose` once, when no more will. Nothing is heard before `listen`
    and nothing after `close`.
    """

    def __init__(self, end: socket.socket, kind: Any) -> None:
        end.setblocking(False)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._frames: Frames[T] = Frames(kind)
        self._unsent = b""  # what the pipe had no room for

    def listen(self, hear: Callable[[T], None], lose: Callable[[], None]) -> None:
        """Call `hear` with each message, and `lose` after the last one.

        No more will come when the other side has closed, or has written what is no message; what
        arrived in one piece with that is not heard either.
        """
        self._hear, self._lose = hear, lose
        self._loop.add_reader(self._end, self._read)

    def send(self, message: Struct) -> None:
        """Send `message`, now as far as there is room and the rest as soon as there is.

        If nobody listens any more, nothing happens here: `lose` tells of it.
        """
        data = framed(message)
        if self._unsent:
            self._unsent += data
        elif rest := self._sent(data):
            self._unsent = rest
            self._loop.add_writer(self._end, self._write)

    def close(self) -> None:
        """Close this end; harmless when repeated."""
        if self._end.fileno() < 0:
            return
        self._deafen()
        self._end.close()

    def _read(self) -> None:
        try:
            data = self._end.recv(CHUNK)
            messages = self._frames.feed(data)
        except BlockingIOError:  # woken for nothing
            return
        except (OSError, BadFrame):  # closed with something of ours unread; somebody else wrote
            self._over()
            return
        for message in messages:
            self._hear(message)
        if not data:
            self._over()

    def _write(self) -> None:
        self._unsent = self._sent(self._unsent)
        if not self._unsent:
            self._loop.remove_writer(self._end)

    def _sent(self, data: bytes) -> bytes:
        """Write what there is room for; return the rest."""
        try:
            return data[self._end.send(data) :]
        except BlockingIOError:
            return data
        except OSError:  # the other side has gone, as the reader will see
            return b""

    def _over(self) -> None:
        self._deafen()
        self._lose()

    def _deafen(self) -> None:
        self._loop.remove_reader(self._end)
        self._loop.remove_writer(self._end)
