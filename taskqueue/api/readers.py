"""Reading JSON as values of one type."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec

from taskqueue.errors import Fault, InvalidTask
from taskqueue.foreign import rendering

JSON = bytes | msgspec.Raw

_EXACT_UP_TO = 2**53  # from here on neighbouring whole numbers share one float

_anything = msgspec.json.Decoder(Any)

_BUILT_IN = frozenset({bool, int, float, str, bytes, NoneType, Any, object})
_MADE_OF_THEM = frozenset({list, dict, tuple, set, frozenset, Union, UnionType})


class Reader:
    """Reads JSON as values of one type."""

    def __init__(self, annotation: Any) -> None:
        # A decoder would take any class and then refuse every value; a schema refuses the class.
        msgspec.json.schema(annotation, schema_hook=_schema_of_object)
        self._decoder = msgspec.json.Decoder(annotation)
        self.type = annotation
        self.is_built_in = _is_built_in(annotation)
        """Whether no code of the user's is run to make a value."""

    def read(self, field: str, data: JSON) -> Any:
        """Return the value; raise `InvalidTask` with what is wrong with `field`."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            return self._read_with_whole_numbers(field, data, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise misfit(field, error) from None
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a type's own `__post_init__` may raise anything
            raise InvalidTask((Fault(field, rendering.error_line(error)),)) from error

    def _read_with_whole_numbers(
        self, field: str, data: JSON, refused: msgspec.ValidationError
    ) -> Any:
        # JSON has one kind of number: 8.0 is a whole number to everybody but the decoder.
        try:
            value = _whole_numbers(_anything.decode(data))
            return msgspec.convert(value, self.type, str_keys=True)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise misfit(field, refused) from None


def _is_built_in(annotation: Any) -> bool:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return True
    if origin is None:
        return annotation in _BUILT_IN or annotation in _MADE_OF_THEM
    return origin in _MADE_OF_THEM and all(part is ... or _is_built_in(part) for part in parts)


def _whole_numbers(value: Any) -> Any:
    match value:
        case float() if value.is_integer() and abs(value) < _EXACT_UP_TO:
            return int(value)
        case list():
            return [_whole_numbers(item) for item in value]
        case dict():
            return {key: _whole_numbers(item) for key, item in value.items()}
        case _:
            return value


def misfit(field: str, error: Exception) -> InvalidTask:
    """Return what is wrong with `field`, which could not be decoded."""
    match error:
        case UnicodeDecodeError():
            fault = Fault(field, "is not UTF-8")
        case RecursionError():
            fault = Fault(field, "is nested too deeply")
        case _:
            message, _, path = rendering.text(error).partition(" - at `$")
            fault = Fault(field + path.removesuffix("`"), message)
    return InvalidTask((fault,))


def _schema_of_object(annotation: type) -> dict[str, Any]:
    if annotation is object:  # takes what `Any` takes
        return {"description": "anything"}
    raise NotImplementedError
