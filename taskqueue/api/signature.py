"""The check of a task's data against its handler's signature.

    async def resize(ctx: Context, url: str, width: int = 800) -> None: ...

    signature_of(resize).bind(b'{"width": "wide", "hight": 1}')
        InvalidTask: data.url: required; data.width: Expected `int`, got `str`;
                     data.hight: unknown; the handler takes url, width

Made once, when the handler is registered; whatever in the signature cannot work is refused then.
"""

import inspect
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from taskqueue.api.parameters import AnyFunction, parameters_of, positional_names
from taskqueue.api.readers import JSON, Reader, misfit
from taskqueue.errors import ConfigError, Fault, Faults, InvalidTask

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class Signature(Protocol):
    """What data a handler takes."""

    is_built_in: bool
    """Whether `bind` runs no code of the user's."""

    def bind(self, data: JSON) -> dict[str, Any]:
        """Return the keyword arguments that `data` stands for, as typed values.

        A parameter that is not in `data` is left out, so that its own default applies.

        Raises:
            InvalidTask: with one fault for every field that is wrong, missing or unknown.
        """
        ...

    def takes(self, name: str) -> bool:
        """Tell whether data may have a field of this name."""
        ...


def signature_of(function: AnyFunction) -> Signature:
    """Return the signature of a handler whose parameters, but for `ctx`, are the keys of its data.

    Raises:
        ConfigError: with a fault for everything in the signature that cannot work.
    """
    others, readers = parameters_of(function)
    extra = next((readers.pop(p.name) for p in others if p.kind is p.VAR_KEYWORD), None)
    required = tuple(p.name for p in others if p.name in readers and p.default is p.empty)
    key_by_key = KeyByKey(readers, required, extra)
    return key_by_key if extra is not None else AtOnce(readers, required, key_by_key)


def whole_signature_of(function: AnyFunction) -> Signature:
    """Return the signature of a handler that takes all its data as one object.

    Raises:
        ConfigError: with a fault for everything in the signature that cannot work.
    """
    others, readers = parameters_of(function)
    if len(others) != 1 or others[0].kind is inspect.Parameter.VAR_KEYWORD:
        raise ConfigError((Fault("data", "must be the one parameter beside ctx"),))
    [(name, reader)] = readers.items()
    return _Whole(name, reader)


def arguments_by_name(
    function: AnyFunction, args: tuple[object, ...], kwargs: Mapping[str, object]
) -> dict[str, object]:
    """Return the data that a call of a handler with these arguments stands for, not yet checked.

    Raises:
        InvalidTask: there are too many positional arguments, or one is given twice.
    """
    positional = positional_names(function)
    if len(args) > len(positional):
        message = f"{len(args)} positional arguments; the handler takes {len(positional)}"
        raise InvalidTask((Fault("data", message),))
    by_name = dict(zip(positional, args, strict=False))
    twice = tuple(Fault(f"data.{name}", "given twice") for name in by_name if name in kwargs)
    if twice:
        raise InvalidTask(twice)
    return {**by_name, **kwargs}


class AtOnce:
    """Each key of the data is a parameter; all are read by one decoder.

    It stops at the first fault, and knows one spelling of a whole number. What it refuses is
    therefore read once more, `key_by_key`, and taken or refused as that says.
    """

    def __init__(
        self, readers: Mapping[str, "Reader"], required: tuple[str, ...], key_by_key: "KeyByKey"
    ) -> None:
        self.key_by_key = key_by_key
        self.is_built_in = key_by_key.is_built_in
        self._names = tuple(readers)
        self._are_required = len(required) == len(readers)
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
        if self._are_required:
            return dict(named)
        return {name: value for name, value in named if value is not msgspec.UNSET}

    def takes(self, name: str) -> bool:
        return name in self._names


class KeyByKey:
    """Each key of the data is a parameter; each is read alone, so every fault is found."""

    def __init__(
        self,
        readers: Mapping[str, "Reader"],
        required: tuple[str, ...],
        extra: "Reader | None",
    ) -> None:
        self.is_built_in = all(each.is_built_in for each in readers.values()) and (
            extra is None or extra.is_built_in
        )
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

    def takes(self, name: str) -> bool:
        return name in self._readers or (self._extra is not None and name != "ctx")

    def _read(self, key: str, value: JSON) -> Any:
        reader = self._readers.get(key, self._extra)
        if reader is None or key == "ctx":  # no `**kwargs` can take a second `ctx`
            taken = ", ".join(self._readers) or "no data"
            raise InvalidTask((Fault(f"data.{key}", f"unknown; the handler takes {taken}"),))
        return reader.read(f"data.{key}", value)


class _Whole:
    """The data is the one parameter."""

    def __init__(self, name: str, reader: "Reader") -> None:
        self.is_built_in = reader.is_built_in
        self._name = name
        self._reader = reader

    def bind(self, data: JSON) -> dict[str, Any]:
        _keys_of(data)  # an object, whatever the annotation would take
        return {self._name: self._reader.read("data", data)}

    def takes(self, _: str) -> bool:
        return True


def _keys_of(data: JSON) -> dict[str, msgspec.Raw]:
    try:
        return _object.decode(data)
    except msgspec.ValidationError:
        raise InvalidTask((Fault("data", "must be an object"),)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise misfit("data", error) from None
