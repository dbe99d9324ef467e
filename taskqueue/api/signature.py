"""The check of a task's data against its handler's signature.

    async def resize(ctx: Context, url: str, width: int = 800) -> None: ...

    signature_of(resize).bind(b'{"width": "wide", "hight": 1}')
        InvalidTask: data.url: required; data.width: Expected `int`, got `str`;
                     data.hight: unknown; the handler takes url, width

Made once, when the handler is registered; whatever in the signature cannot work is refused then.
"""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any, Protocol

import msgspec

from taskqueue.api.context import Context
from taskqueue.errors import ConfigError, Fault, Faults, InvalidTask
from taskqueue.foreign import rendering

JSON = bytes | msgspec.Raw
AnyFunction = Callable[..., Any]

_CONTEXT_RULE = "must be the first parameter, `ctx: Context`"
_EXACT_UP_TO = 2**53  # from here on neighbouring whole numbers share one float

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_anything = msgspec.json.Decoder(Any)


class Signature(Protocol):
    """What data a handler takes."""

    def bind(self, data: JSON) -> dict[str, Any]:
        """Return the keyword arguments that `data` stands for, as typed values.

        A parameter that is not in `data` is left out, so that its own default applies.

        Raises:
            InvalidTask: with one fault for every field that is wrong, missing or unknown.
        """
        ...


def signature_of(function: AnyFunction) -> Signature:
    """Return the signature of a handler whose parameters after `ctx` are the keys of its data.

    Raises:
        ConfigError: with a fault for everything in the signature that cannot work.
    """
    others, readers = _parameters_of(function)
    extra = next((readers.pop(p.name) for p in others if p.kind is p.VAR_KEYWORD), None)
    required = tuple(p.name for p in others if p.name in readers and p.default is p.empty)
    key_by_key = KeyByKey(readers, required, extra)
    return key_by_key if extra is not None else AtOnce(readers, required, key_by_key)


def whole_signature_of(function: AnyFunction) -> Signature:
    """Return the signature of a handler that takes all its data as one object after `ctx`.

    Raises:
        ConfigError: with a fault for everything in the signature that cannot work.
    """
    others, readers = _parameters_of(function)
    if len(others) != 1 or others[0].kind is inspect.Parameter.VAR_KEYWORD:
        raise ConfigError((Fault("data", "must be the one parameter after ctx"),))
    [(name, reader)] = readers.items()
    return _Whole(name, reader)


def arguments_by_name(
    function: AnyFunction, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Return the data that a call of a handler with these arguments stands for, not yet checked.

    Raises:
        InvalidTask: there are too many positional arguments, or one is given twice.
    """
    positional = _positional(function)
    if len(args) > len(positional):
        message = f"{len(args)} positional arguments; the handler takes {len(positional)}"
        raise InvalidTask((Fault("data", message),))
    by_name = dict(zip(positional, args, strict=False))
    twice = tuple(Fault(f"data.{name}", "given twice") for name in by_name if name in kwargs)
    if twice:
        raise InvalidTask(twice)
    return {**by_name, **kwargs}


@cache
def _positional(function: AnyFunction) -> tuple[str, ...]:
    _, *others = inspect.signature(function).parameters.values()
    return tuple(p.name for p in others if p.kind is p.POSITIONAL_OR_KEYWORD)


class AtOnce:
    """Each key of the data is a parameter; all are read by one decoder.

    It stops at the first fault, and knows one spelling of a whole number. What it refuses is
    therefore read once more, `key_by_key`, and taken or refused as that says.
    """

    def __init__(
        self, readers: Mapping[str, "_Reader"], required: tuple[str, ...], key_by_key: "KeyByKey"
    ) -> None:
        self.key_by_key = key_by_key
        self._names = tuple(readers)
        # Fields are named by position: not every name of a parameter can be one of a field.
        names = {f"p{position}": name for position, name in enumerate(readers)}
        fields = [
            (field, readers[name].type)
            if name in required
            else (field, readers[name].type, msgspec.UNSET)
            for field, name in names.items()
        ]
        self._decoder = msgspec.json.Decoder(
            msgspec.defstruct(
                "Data", fields, rename=names, forbid_unknown_fields=True, kw_only=True
            )
        )

    def bind(self, data: JSON) -> dict[str, Any]:
        try:
            values = msgspec.structs.astuple(self._decoder.decode(data))
        except BaseException:  # noqa: BLE001 - whatever it is, it comes again, and is named then
            return self.key_by_key.bind(data)
        named = zip(self._names, values, strict=True)
        return {name: value for name, value in named if value is not msgspec.UNSET}


class KeyByKey:
    """Each key of the data is a parameter; each is read alone, so every fault is found."""

    def __init__(
        self,
        readers: Mapping[str, "_Reader"],
        required: tuple[str, ...],
        extra: "_Reader | None",
    ) -> None:
        self._readers = readers
        self._required = required
        self._extra = extra

    def bind(self, data: JSON) -> dict[str, Any]:
        values = _keys_of(data)
        faults = Faults()
        faults.add(
            *(Fault(f"data.{key}", "required") for key in self._required if key not in values)
        )
        kwargs: dict[str, Any] = {}
        for position, (key, value) in enumerate(values.items()):
            if faults.is_full:
                faults.add(more=len(values) - position)
                break
            try:
                kwargs[key] = self._read(key, value)
            except InvalidTask as error:
                faults.add(*error.faults)
        if faults:
            raise InvalidTask(tuple(faults.named), faults.more)
        return kwargs

    def _read(self, key: str, value: JSON) -> Any:
        reader = self._readers.get(key, self._extra)
        if reader is None or key == "ctx":  # no `**kwargs` can take a second `ctx`
            taken = ", ".join(self._readers) or "no data"
            raise InvalidTask((Fault(f"data.{key}", f"unknown; the handler takes {taken}"),))
        return reader.read(f"data.{key}", value)


class _Whole:
    """The data is the one parameter."""

    def __init__(self, name: str, reader: "_Reader") -> None:
        self._name = name
        self._reader = reader

    def bind(self, data: JSON) -> dict[str, Any]:
        _keys_of(data)  # an object, whatever the annotation would take
        return {self._name: self._reader.read("data", data)}


class _Reader:
    """Reads JSON as values of one type."""

    def __init__(self, annotation: Any) -> None:
        # A decoder would take any class and then refuse every value; a schema refuses the class.
        msgspec.json.schema(annotation, schema_hook=_schema_of_object)
        self._decoder = msgspec.json.Decoder(annotation)
        self.type = annotation

    def read(self, field: str, data: JSON) -> Any:
        """Return the value; raise `InvalidTask` with what is wrong with `field`."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            return self._read_with_whole_numbers(field, data, error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _misfit(field, error) from None
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
            raise _misfit(field, refused) from None


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


def _keys_of(data: JSON) -> dict[str, msgspec.Raw]:
    try:
        return _object.decode(data)
    except msgspec.ValidationError:
        raise InvalidTask((Fault("data", "must be an object"),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _misfit("data", error) from None


def _misfit(field: str, error: Exception) -> InvalidTask:
    match error:
        case UnicodeDecodeError():
            fault = Fault(field, "is not UTF-8")
        case RecursionError():
            fault = Fault(field, "is nested too deeply")
        case _:
            message, _, path = rendering.text(error).partition(" - at `$")
            fault = Fault(field + path.removesuffix("`"), message)
    return InvalidTask((fault,))


# --- at registration ---------------------------------------------------------------------------


def _parameters_of(
    function: AnyFunction,
) -> tuple[list[inspect.Parameter], dict[str, _Reader]]:
    """Return the parameters after `ctx` and what reads each, once all of them can work."""
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise ConfigError((Fault("handler", f"must be a function, not {function!r}"),))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError((Fault("handler", "must return its result, not yield"),))
    context, *others = inspect.signature(function).parameters.values() or [_NOTHING]
    readers: dict[str, _Reader] = {}
    faults = [*_context_faults(function, context)]
    for parameter in others:
        try:
            readers[parameter.name] = _reader_of(function, parameter)
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(tuple(faults))
    return others, readers


_NOTHING = inspect.Parameter("nothing", inspect.Parameter.VAR_POSITIONAL)


def _context_faults(function: AnyFunction, parameter: inspect.Parameter) -> Iterator[Fault]:
    positional = {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}
    if parameter.name != "ctx" or parameter.kind not in positional:
        yield Fault("ctx", _CONTEXT_RULE)
        return
    try:
        annotation = _annotation_of(function, parameter)
    except ConfigError as error:
        yield from error.faults
    else:
        if annotation not in {Any, Context}:
            yield Fault("ctx", f"{_CONTEXT_RULE}, not {_shown(annotation)}")


def _reader_of(function: AnyFunction, parameter: inspect.Parameter) -> _Reader:
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise ConfigError((Fault(f"*{name}", "data has names, not positions"),))
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ConfigError((Fault(name, "is positional-only; data has names, not positions"),))
    annotation = _annotation_of(function, parameter)
    try:
        return _Reader(annotation)
    except TypeError as error:
        detail = str(error).rpartition("\n")[2]
        raise ConfigError(
            (Fault(name, f"no JSON can become {_shown(annotation)}: {detail}"),)
        ) from error


def _annotation_of(function: AnyFunction, parameter: inspect.Parameter) -> Any:
    """Return the parameter's type, looked up by its name if it was written as a string."""
    if parameter.annotation is parameter.empty:
        return Any
    # One parameter at a time, so that each name that is not there gets a fault of its own.
    alone = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
    names = inspect.unwrap(function).__globals__
    try:
        return typing.get_type_hints(alone, globalns=names, include_extras=True)[parameter.name]
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        fault = Fault(parameter.name, f"its annotation cannot be resolved: {error}")
        raise ConfigError((fault,)) from error


def _schema_of_object(annotation: type) -> dict[str, Any]:
    if annotation is object:  # takes what `Any` takes
        return {"description": "anything"}
    raise NotImplementedError


def _shown(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
