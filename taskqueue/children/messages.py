"""Structs as the bodies of frames, in MessagePack."""

from collections.abc import Callable
from typing import Any

import msgspec

from taskqueue.children.frames import BadFrame, Body, frame
from taskqueue.structs import Struct

_encode = msgspec.msgpack.Encoder().encode


def framed(message: Struct) -> bytes:
    """Return the frame of a message."""
    return frame(_encode(message))


def decoder(kind: Any) -> Callable[[Body], Any]:
    """Return a function that decodes messages of `kind`, a struct or a union of tagged structs."""
    decode = msgspec.msgpack.Decoder(kind).decode

    def decoded(body: Body) -> Any:
        try:
            return decode(body)
        except msgspec.DecodeError as error:
            raise BadFrame(str(error)) from error

    return decoded
