"""The parent's end of a pipe, on its event loop: calls back with each message, never waits."""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

from taskqueue.children.frames import CHUNK, BadFrame, Body, Frames

T = TypeVar("T")


class Pipe(Generic[T]):
    """One end of a pipe that belongs to the running loop.

    No task waits on it, which would cost a switch for each message: the loop calls `hear` with
    each message as it comes, and `lose` once, when no more will. Neither is called before `listen`
    or after `close`.
    """

    def __init__(self, end: socket.socket, decode: Callable[[Body], T]) -> None:
        """Make it of a socket, which it owns; `decode` may raise `BadFrame`."""
        end.setblocking(False)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._frames = Frames(decode)
        self._unsent: deque[memoryview] = deque()  # what the pipe had no room for

    def listen(self, hear: Callable[[T], None], lose: Callable[[], None]) -> None:
        """Call `hear` with each message, and `lose` after the last one.

        No more will come when the other side has closed, or has written what is no message; what
        arrived in one piece with that is dropped.
        """
        self._hear, self._lose = hear, lose
        self._loop.add_reader(self._end, self.receive)

    def send(self, frame: bytes) -> None:
        """Send a frame: as much as there is room for now, and the rest when there is more.

        Nothing happens if the other side has closed; `lose` is called then.
        """
        if self._unsent:
            self._unsent.append(memoryview(frame))
        elif (sent := self._sent(frame)) < len(frame):
            self._unsent.append(memoryview(frame)[sent:])
            self._loop.add_writer(self._end, self._write)

    def send_now(self, frame: bytes, descriptors: Sequence[int]) -> None:
        """Send a small frame together with descriptors.

        Raises:
            OSError: the other side has closed, or has not read for long.
        """
        if self._unsent:
            raise BlockingIOError
        socket.send_fds(self._end, [frame], descriptors)

    def shut(self) -> None:
        """Let both sides read the end of the pipe. From any thread; harmless when repeated.

        A process that was forked from this one may have the socket too: it would stay open if this
        process just closed it.
        """
        with suppress(OSError):  # closed, or the other side has gone
            self._end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Shut and close this end. Works when the loop has ended; harmless when repeated."""
        if self._end.fileno() >= 0:
            self._stop_listening()
            self.shut()
            with suppress(OSError):  # user code has closed it by its number
                self._end.close()

    def receive(self) -> None:
        """Hear now what has arrived, be it the end, and not in a later turn of the loop."""
        try:
            data = self._end.recv(CHUNK)
            messages = self._frames.feed(data)
        except BlockingIOError:  # woken for nothing
            return
        except (OSError, BadFrame):  # closed with something of ours unread; another process wrote
            self._end_listening()
            return
        for message in messages:
            self._hear(message)
        if not data:
            self._end_listening()

    def _write(self) -> None:
        while self._unsent:
            frame = self._unsent[0]
            if (sent := self._sent(frame)) < len(frame):
                self._unsent[0] = frame[sent:]
                return
            self._unsent.popleft()
        self._loop.remove_writer(self._end)

    def _sent(self, frame: bytes | memoryview) -> int:
        """Write as much as there is room for; return how much that was."""
        try:
            return self._end.send(frame)
        except BlockingIOError:
            return 0
        except OSError:  # the other side has gone, as the reader will see
            return len(frame)

    def _end_listening(self) -> None:
        self._stop_listening()
        self._lose()

    def _stop_listening(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self._end)
            self._loop.remove_writer(self._end)
