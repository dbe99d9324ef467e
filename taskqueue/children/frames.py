"""Messages on a stream of bytes: each is its length, in four bytes, and its body."""

import struct
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")

Body: TypeAlias = bytearray | memoryview

CHUNK = 1 << 16
"""How many bytes to receive at once."""

_length = struct.Struct("!I")


class BadFrame(Exception):
    """The body is no message: another process wrote into the pipe."""


def frame(body: bytes) -> bytes:
    """Return the bytes to send for a body.

    Raises:
        struct.error: it has 4 GiB or more.
    """
    return _length.pack(len(body)) + body


class Frames(Generic[T]):
    """Takes bytes as they come, and returns the messages that are complete."""

    def __init__(self, decode: Callable[[Body], T]) -> None:
        """Make one that has received nothing; `decode` may raise `BadFrame`."""
        self._decode = decode
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[T]:
        """Return the messages that `data` completes.

        Raises:
            BadFrame: a body is no message.
        """
        if not self._bytes and _is_one_frame(data):  # nearly all are
            return [self._decode(memoryview(data)[_length.size :])]
        self._bytes += data
        return [self._decode(body) for body in self._complete()]

    def _complete(self) -> list[Body]:
        bodies: list[Body] = []
        start = 0
        while len(self._bytes) - start >= _length.size:
            begin = start + _length.size
            end = begin + _length.unpack_from(self._bytes, start)[0]
            if end > len(self._bytes):
                break
            bodies.append(self._bytes[begin:end])
            start = end
        del self._bytes[:start]
        return bodies


def _is_one_frame(data: bytes) -> bool:
    size = len(data) - _length.size
    return size >= 0 and size == _length.unpack_from(data)[0]
