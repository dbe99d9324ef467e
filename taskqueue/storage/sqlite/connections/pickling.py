"""Functions and their answers as frames, between the service and the process that writes for it.

Pickled, because both sides are one program: a function travels by its name. What is sent is of our
own making; the peer is a child of ours at the other end of a socket pair. The commit of what every
task needs travels as MessagePack instead, at a fifth of the cost (`Packed`).
"""

import io
import pickle
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property
from importlib import import_module
from typing import Any, Self, TypeVar

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


class Packed(ABC):
    """A function of a connection that says itself, and its answers, in bytes of its own."""

    @abstractmethod
    def __call__(self, db: sqlite3.Connection) -> Any:
        """Call it."""

    @abstractmethod
    def packed(self) -> bytes | None:
        """Return what `unpacked` makes it of again; None if it has to be pickled."""

    @classmethod
    @abstractmethod
    def unpacked(cls, body: bytes) -> Self:
        """Return the function that was packed."""

    @abstractmethod
    def packed_answer(self, value: Any) -> bytes | None:
        """Return what `unpacked_answer` makes the answer of; None if it has to be pickled."""

    @abstractmethod
    def unpacked_answer(self, body: Body) -> Any:
        """Return the answer that was packed."""


_PACKED = b"P"  # begins what is packed; a pickle begins with another byte


def _name_of(kind: type) -> bytes:
    return f"{kind.__module__}:{kind.__qualname__}".encode()


@cache
def _kind_named(name: bytes) -> type[Packed]:
    module, _, qualname = name.decode().partition(":")
    kind: type[Packed] = getattr(import_module(module), qualname)
    return kind


def request(function: Callable[..., object]) -> bytes:
    """Return the frame that has the other side call `function`.

    A value of a user's own type that is text, a number or bytes travels as just that, which is all
    that a database keeps of it: the other process need not know the type.

    Raises:
        NotSent: it cannot be pickled.
    """
    if isinstance(function, Packed) and (body := function.packed()) is not None:
        return frame(b"%b%b\0%b" % (_PACKED, _name_of(type(function)), body))
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
        if not _is_packed(message):
            return _unpickled(message)
        name, _, body = bytes(message[1:]).partition(b"\0")
        return _kind_named(name).unpacked(body)
    except Exception as error:
        raise NotSent(repr(error)) from error


def answer(value: object, error: BaseException | None, *, to: object = None) -> bytes:
    """Return the frame that says what the function `to` has returned or raised."""
    if error is None and isinstance(to, Packed):
        body = to.packed_answer(value)
        if body is not None:
            return frame(_PACKED + body)
    return frame(pickle.dumps((value, error), _PROTOCOL))


def answered(message: Body, *, to: object) -> Any:
    """Return the value and the error of the frame that answers the function `to`."""
    if _is_packed(message) and isinstance(to, Packed):
        return to.unpacked_answer(message[1:]), None
    return _unpickled(message)


def _is_packed(message: Body) -> bool:
    return message[0] == _PACKED[0]


def _unpickled(message: Body) -> Any:
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
            return Encoded, (type(self[0]), _encode(self))
        except (IndexError, OverflowError, TypeError, ValueError):
            return tuple, (list(self),)


class Encoded(Sequence[Any]):
    """A batch that has arrived."""

    def __init__(self, kind: type[Struct], encoded: bytes | msgspec.Raw) -> None:
        """Take it in as it was encoded; it is decoded when it is used."""
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
