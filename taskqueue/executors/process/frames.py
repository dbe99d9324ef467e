"""Messages on a stream of bytes: each is its length, in four bytes, and itself as MessagePack."""

import asyncio
import socket
import struct
from collections import deque
from typing import Any, Generic, TypeVar

import msgspec

from taskqueue.structs import Struct

T = TypeVar("T")

CHUNK = 1 << 16
_length = struct.Struct("!I")
_encoder = msgspec.msgpack.Encoder()


class BadFrame(Exception):
    """What came is no message of ours: somebody else wrote into the pipe."""


def framed(message: Struct) -> bytes:
    """Return the bytes that stand for `message`."""
    body = _encoder.encode(message)
    return _length.pack(len(body)) + body


class Frames(Generic[T]):
    """Takes bytes as they come and gives the messages of `kind` that are complete."""

    def __init__(self, kind: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[T] = msgspec.msgpack.Decoder(kind)
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """Return the messages that `data` completes.

        Raises:
            BadFrame: it is no message of ours.
        """
        if not self._bytes and (message := self._only(data)) is not None:
            return [message]
        self._bytes += data
        messages: list[T] = []
        start = 0
        while len(self._bytes) - start >= _length.size:
            begin = start + _length.size
            end = begin + _length.unpack_from(self._bytes, start)[0]
            if end > len(self._bytes):
                break
            messages.append(self._decoded(self._bytes[begin:end]))
            start = end
        del self._bytes[:start]
        return messages

    def _only(self, data: bytes) -> T | None:
        """Return the message that `data` is, no more and no less, as it is mostly."""
        begin = _length.size
        if len(data) < begin or len(data) != begin + _length.unpack_from(data)[0]:
            return None
        return self._decoded(memoryview(data)[begin:])

    def _decoded(self, body: bytearray | memoryview) -> T:
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise BadFrame(str(error)) from error


class BlockingPipe(Generic[T]):
    """One end of a pipe, in a process that has nothing else to do. Receives messages of `kind`."""

    def __init__(self, end: socket.socket, kind: Any) -> None:
        self._end = end
        self._frames: Frames[T] = Frames(kind)
        self._received: deque[T] = deque()

    def send(self, message: Struct) -> None:
        """Send `message`; waits until it is on its way.

        Raises:
            OSError: nobody listens any more.
        """
        self._end.sendall(framed(message))

    def receive(self) -> T | None:
        """Wait for the next message and return it; None when the other side has closed."""
        while not self._received:
            data = self._end.recv(CHUNK)
            if not data:
                return None
            self._received.extend(self._frames.feed(data))
        return self._received.popleft()


class Pipe(Generic[T]):
    """One end of a pipe, on an asyncio loop. Receives messages of `kind`."""

    def __init__(self, end: socket.socket, kind: Any) -> None:
        end.setblocking(False)
        self._end = end
        self._frames: Frames[T] = Frames(kind)
        self._received: deque[T] = deque()

    async def send(self, message: Struct) -> None:
        """Send `message`; waits until it is on its way.

        Raises:
            OSError: nobody listens any more.
        """
        await asyncio.get_running_loop().sock_sendall(self._end, framed(message))

    def send_now(self, message: Struct, *ends: socket.socket) -> None:
        """Send a small `message` without waiting, with descriptors of `ends`.

        Raises:
            OSError: nobody listens any more, or has listened for long.
        """
        socket.send_fds(self._end, [framed(message)], [end.fileno() for end in ends])

    async def receive(self) -> T | None:
        """Wait for the next message and return it; None when the other side has closed.

        Raises:
            OSError: it has closed, with something of ours unread.
            BadFrame: what came is no message.
        """
        while not self._received:
            data = await asyncio.get_running_loop().sock_recv(self._end, CHUNK)
            if not data:
                return None
            self._received.extend(self._frames.feed(data))
        return self._received.popleft()

    def shut(self) -> None:
        """Let both sides read the end of the pipe. From any thread, and harmless when repeated."""
        try:
            self._end.shutdown(socket.SHUT_RDWR)
        except OSError:  # closed, or the other side has gone
            return

    def close(self) -> None:
        """Close this end. Nobody may be receiving."""
        self._end.close()
