"""Plain values: what JSON can say of the values that are logged."""

import dataclasses
import datetime as dt
import math
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

import msgspec

from taskqueue.foreign import rendering

PLAIN_ALREADY = frozenset({str, int, bool, type(None)})
_DEEPEST = 8
_MOST_BITS = 2048  # of an integer that is shown in digits; Python refuses some more


def plain(value: object) -> Any:
    """Return `value` as JSON can say it; never raises.

    Structs and dataclasses become objects, enums their values, exceptions `Type: text`, bytes text;
    a path, a UUID and whatever else there is, its `str`.
    """
    if type(value) in PLAIN_ALREADY and type(value) is not int:
        return value
    try:
        return _plain(value, depth=0)
    except BaseException:  # noqa: BLE001  a foreign `__str__` may raise anything
        return f"<{rendering.type_name(value)} that cannot be shown>"


def _plain(value: object, *, depth: int) -> Any:
    match value:
        case Enum():
            return _plain(value.value, depth=depth)
        case str():
            return str(value)
        case None | bool():
            return value
        case float():
            return float(value) if math.isfinite(value) else str(value)
        case int():
            bits = int.bit_length(value)
            return int(value) if bits <= _MOST_BITS else f"<an integer of {bits:,} bits>"
        case bytes() | bytearray() | memoryview() | msgspec.Raw():
            return bytes(value).decode("utf-8", "backslashreplace")
        case BaseException():
            return f"{type(value).__qualname__}: {value}"
        case dt.date():
            return value.isoformat()
        case _:
            return _plain_whole(value, depth=depth + 1)


def _plain_whole(value: object, *, depth: int) -> Any:
    """Return a value that has parts; none below `_DEEPEST` levels: that is a cycle."""
    if depth > _DEEPEST:
        return "…"
    match value:
        case Mapping():
            return _plain_fields(value.items(), depth=depth)
        case list() | tuple() | set() | frozenset():
            return [_plain(part, depth=depth) for part in value]
        case msgspec.Struct():
            names: Iterable[str] = value.__struct_fields__
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = (field.name for field in dataclasses.fields(value))
        case _:
            return str(value)
    return _plain_fields(((name, getattr(value, name)) for name in names), depth=depth)


def _plain_fields(items: Iterable[tuple[object, object]], *, depth: int) -> dict[str, Any]:
    return {str(key): _plain(value, depth=depth) for key, value in items}
