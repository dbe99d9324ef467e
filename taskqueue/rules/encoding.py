"""JSON text within its limit: what a payload, a result and a progress must fit.

A value that JSON cannot hold and a text that is too large are told apart from everything else that
may go wrong, because both are the task's own fault and stay so however often it is tried.

Besides what JSON itself has, these become JSON: tuples and sets (arrays), dataclasses and msgspec's
structs (objects), dates and times (ISO 8601), UUID and Decimal (text), bytes (base64 text), enums
(their values), numpy's scalars, and subclasses of all of these. Data of a task is read the same way
by a handler that declares the type.
"""

import math
from typing import Any

import msgspec

from taskqueue.errors import TaskTooLarge
from taskqueue.foreign import conversion as plain
from taskqueue.foreign import rendering

MAX_BYTES = 1 << 20  # of a payload, and of a result unless the settings say otherwise


class NotJSON(ValueError):
    """The value has no JSON form."""


def encode(value: object) -> bytes:
    """Return `value` as JSON; see above for what that is.

    Raises:
        NotJSON: something in it has no JSON form, or it contains itself.
    """
    try:
        encoded = _encode(value)
        # NaN and infinities are encoded as null, so only where there is one, they are looked for.
        if b"null" in encoded and value is not None:
            _refuse_non_finite(value)
    except NotJSON:
        raise
    except RecursionError:
        raise NotJSON("is nested too deeply, or contains itself") from None
    except UnicodeEncodeError:
        raise NotJSON("contains half of a surrogate pair, which is no text") from None
    except (TypeError, ValueError, OverflowError) as error:
        raise NotJSON(rendering.text(error)) from error
    except Exception as error:  # a type's own code, as `utcoffset` of a time zone
        raise NotJSON(rendering.error_line(error)) from error
    return encoded


def json_of(what: str, value: object, encoded: bytes, *, limit: int = MAX_BYTES) -> str:
    """Return `value` as the text that is stored, from its `encode`; `what` names it in errors.

    Raises:
        TaskTooLarge: it has more than `limit` bytes.
        NotJSON: a `msgspec.Raw` in it, which is encoded as it is, was no JSON.
    """
    text = text_of(what, encoded, limit=limit)
    if type(value) not in _WITHOUT_PARTS:
        try:
            _syntax.decode(encoded)
        except msgspec.DecodeError as error:
            raise NotJSON(str(error)) from error
    return text


def text_of(what: str, encoded: bytes, *, limit: int = MAX_BYTES) -> str:
    """Return JSON as the text that is stored; `what` names it in errors.

    Raises:
        TaskTooLarge: it has more than `limit` bytes.
        NotJSON: it is not UTF-8.
    """
    if len(encoded) > limit:
        raise TaskTooLarge(what, len(encoded), limit)
    try:
        return encoded.decode()
    except UnicodeDecodeError:
        raise NotJSON("is not UTF-8") from None


def _as_built_in(value: object) -> plain.Scalar:
    try:
        return plain.scalar(value)
    except ValueError:
        kind = rendering.type_name(value)
        raise TypeError(f"Encoding objects of type {kind} is unsupported") from None


_encode = msgspec.json.Encoder(enc_hook=_as_built_in).encode
_syntax = msgspec.json.Decoder(msgspec.Raw)
_WITHOUT_PARTS = frozenset({type(None), bool, int, float, str})


def _refuse_non_finite(value: object) -> None:
    parts: list[Any] = [msgspec.to_builtins(value, enc_hook=_as_part)]
    while parts:
        part = parts.pop()
        kind = type(part)
        if kind is float:
            if not math.isfinite(part):
                raise NotJSON(f"contains {part}, for which JSON has no word")
        elif kind is dict:
            parts.extend(part.values())
        elif kind in _ARRAYS:
            parts.extend(part)


_ARRAYS = frozenset({list, tuple, set, frozenset})


def _as_part(value: object) -> plain.Scalar:
    return None if type(value) is msgspec.Raw else _as_built_in(value)
