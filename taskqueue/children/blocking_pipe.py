"""The child's end of a pipe: it waits for each message."""

import os
import socket
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from select import POLLOUT, poll
from typing import Generic, TypeVar

from taskqueue.children.frames import CHUNK, Body, Frames

T = TypeVar("T")

_MOST_DESCRIPTORS = 16


class BlockingPipe(Generic[T]):
    """One end of a pipe, in a process that has nothing else to do."""

    def __init__(self, end: socket.socket, decode: Callable[[Body], T]) -> None:
        self._end = end
        self._frames = Frames(decode)
        self._received: deque[T] = deque()

    def send(self, frame: bytes) -> None:
        """Send a frame; waits until there is room for it.

        Raises:
            ConnectionError: the other side has closed.
        """
        self._end.sendall(frame)

    def has_room(self) -> bool:
        """Tell whether a frame of up to 32 KiB can be sent without a wait."""
        room = poll()
        room.register(self._end, POLLOUT)
        return bool(room.poll(0))

    def wait(self) -> None:
        """Wait until `receive` need not: for a part of a message, or the end of the pipe."""
        if not self._received:
            with suppress(OSError):  # as `receive` will find
                self._end.recv(1, socket.MSG_PEEK)

    def receive(self) -> T | None:
        """Wait for the next message and return it; None when the other side has closed.

        Raises:
            BadFrame: what came is no message.
        """
        while not self._received:
            try:
                data = self._end.recv(CHUNK)
            except ConnectionResetError:  # closed, with something of ours unread
                return None
            if not data:
                return None
            self._received.extend(self._frames.feed(data))
        return self._received.popleft()

    def receive_with_descriptors(self) -> tuple[list[T], list[int]] | None:
        """Wait for bytes; return the messages that they complete, and the descriptors with them.

        The descriptors are closed by exec. None when the other side has closed.

        Raises:
            BadFrame: what came is no message.
        """
        try:
            data, descriptors, *_ = socket.recv_fds(self._end, CHUNK, _MOST_DESCRIPTORS)
        except ConnectionResetError:
            return None
        for descriptor in descriptors:
            os.set_inheritable(descriptor, False)
        return (self._frames.feed(data), descriptors) if data else None
