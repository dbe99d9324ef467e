"""Functions and their answers as frames, between the service and the process that writes for it.

Pickled, because both sides are one program: a function travels by its name. What is sent is of our
own making; the peer is a child of ours at the other end of a socket pair.
"""

import io
import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from typing import Any, TypeVar

import msgspec

from taskqueue.children.frames import Body, frame
from taskqueue.structs import Struct

W = TypeVar("W", bound=Struct)

_PROTOCOL = 5
_PLAIN: dict[type, Callable[[Any], object]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: bytes.__bytes__,
}
_encode = msgspec.msgpack.Encoder().encode
_OURS = __name__.partition(".")[0]


class NotSent(Exception):
    """A function that cannot be pickled, or not be made again over there; it was not called."""


def request(function: Callable[..., object]) -> bytes:
    """Return the frame that has the other side call `function`.

    A value of a user's own type that is text, a number or bytes travels as just that, which is all
    that a database keeps of it: the other process need not know the type.

    Raises:
        NotSent: it cannot be pickled.
    """
    file = io.BytesIO()
    try:
        _Pickler(file, _PROTOCOL).dump(function)
        return frame(file.getvalue())
    except Exception as error:  # a value of a user's own type is pickled by code of its own
        raise NotSent(repr(error)) from error


def requested(message: Body) -> Any:
    """Return the function that a request names.

    Raises:
        NotSent: it, or one of its arguments, cannot be made here.
    """
    try:
        return decoded(message)
    except Exception as error:
        raise NotSent(repr(error)) from error


def answer(value: object, error: BaseException | None) -> bytes:
    """Return the frame that says what a function has returned or raised, which can be pickled."""
    return frame(pickle.dumps((value, error), _PROTOCOL))


def decoded(message: Body) -> Any:
    """Return what a frame without its length stands for."""
    return pickle.loads(message)  # noqa: S301  from the other side, which is ours


class _Pickler(pickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        plain = _plain_kind(type(obj))  # type: ignore[arg-type]  # a type is hashable
        return NotImplemented if plain is None else (plain, (_PLAIN[plain](obj),))


@cache
def _plain_kind(kind: Any) -> type | None:
    """Return the type as which values of `kind` travel; None if as their own."""
    if kind.__module__.partition(".")[0] == _OURS:
        return None
    return next((plain for plain in _PLAIN if issubclass(kind, plain)), None)


class Batch(tuple[W, ...]):
    """Structs of one kind. They travel as MessagePack, at a quarter of the cost of pickling each.

    There they are a sequence that is decoded at its first use: a struct that does not fit its kind
    fails only the operation that uses it.
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Say how it is made again; as any tuple if MessagePack cannot say what is in it."""
        try:
            return _Encoded, (type(self[0]), _encode(self))
        except (IndexError, OverflowError, TypeError, ValueError):
            return tuple, (list(self),)


class _Encoded(Sequence[Any]):
    def __init__(self, kind: type[Struct], encoded: bytes) -> None:
        self._kind = kind
        self._encoded = encoded

    @cached_property
    def _structs(self) -> list[Any]:
        return _decoder_of(self._kind).decode(self._encoded)

    def __len__(self) -> int:
        return len(self._structs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._structs)

    def __getitem__(self, at: Any) -> Any:
        return self._structs[at]


@cache
def _decoder_of(kind: Any) -> msgspec.msgpack.Decoder[list[Any]]:
    return msgspec.msgpack.Decoder(list[kind])
