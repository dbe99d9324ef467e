"""Converts values of user code to the built-in types that are sent, stored and compared.

Numbers of other types (Decimal, numpy's scalars) and subclasses of `str`, `int` and `float` may
override any operation, and no encoder accepts them all. So each value is converted once, where user
code passes it in.
"""

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from taskqueue.foreign import rendering

Scalar: TypeAlias = int | float | str | bytes | None


def number(value: object) -> float:
    """Return a real number of any type as `float`.

    Raises:
        ValueError: it is a `bool`, text, or not a number.
    """
    kind: type[Any] = type(value)
    try:
        if issubclass(kind, float):
            return float.__float__(value)  # type: ignore[arg-type]  # mypy does not know `kind`
        if kind is not bool and issubclass(kind, int):
            return int.__float__(value)  # type: ignore[arg-type]  # mypy does not know `kind`
        if not issubclass(kind, bool | str | bytes | bytearray):
            return float.__float__(float(value))  # type: ignore[arg-type]  # that is the question
    except Exception as error:
        raise _refused("a number", value) from error
    raise _refused("a number", value)


def integer(value: object) -> int:
    """Return a whole number of any integer type as `int`.

    Raises:
        ValueError: it is a `bool`, or not of an integer type.
    """
    kind: type[Any] = type(value)
    if kind is bool:
        raise _refused("a whole number", value)
    if issubclass(kind, int):
        return int.__int__(value)  # type: ignore[arg-type]  # mypy does not know `kind`
    try:
        return operator.index(value)  # type: ignore[arg-type]  # that is the question
    except Exception as error:
        raise _refused("a whole number", value) from error


def text(value: object) -> str:
    """Return text, including subclasses of `str`, as `str`.

    Raises:
        ValueError: it is not text.
    """
    if issubclass(type(value), str):
        return str.__str__(value)
    raise _refused("text", value)


def scalar(value: object) -> Scalar:
    """Return None, a number (also a `bool`), text or bytes as the built-in type.

    Accepts numpy's scalars and subclasses. Refuses a Decimal or a Fraction, because the nearest
    float may be another number.

    Raises:
        ValueError: it is none of these.
    """
    kind: type[Any] = type(value)
    if value is None or value is True or value is False:
        return value
    for base, convert in _BASES:
        if issubclass(kind, base):
            return convert(value)
    return _scalar_of_another_type(kind, value)


def _scalar_of_another_type(kind: type[Any], value: Any) -> Scalar:
    try:
        if callable(getattr(kind, "item", None)) and getattr(value, "ndim", 0) == 0:
            item = value.item()
            return scalar(item) if type(item) in _BUILT_IN else integer(value)
        return operator.index(value)
    except Exception as error:
        raise _refused("an integer, a float, text, bytes or None", value) from error


_BASES: tuple[tuple[type[Any], Callable[[Any], Scalar]], ...] = (
    (float, float.__float__),
    (int, int.__int__),
    (str, str.__str__),
    (bytes, lambda value: bytes(memoryview(value))),
)
_BUILT_IN = frozenset({bool, int, float, str, bytes, type(None)})


def _refused(expected: str, value: object) -> ValueError:
    return ValueError(f"must be {expected}, not {rendering.shown(value, most=100)}")
