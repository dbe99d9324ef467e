"""The parameters of a handler, read once, when it is registered."""

import inspect
import typing
from collections.abc import Callable, Iterator
from functools import cache
from types import SimpleNamespace
from typing import Any

from taskqueue.api.context import Context
from taskqueue.api.readers import Reader
from taskqueue.errors import ConfigError, Fault

AnyFunction = Callable[..., Any]

_CONTEXT = "ctx"
_CONTEXT_RULE = "must be the first parameter, `ctx: Context`"


def takes_context(function: AnyFunction) -> bool:
    """Return whether the first parameter of a handler is `ctx`."""
    return next(iter(inspect.signature(function).parameters), None) == _CONTEXT


def returns_bool(function: AnyFunction) -> bool:
    """Return whether a handler is annotated as a predicate is: `-> bool`."""
    return inspect.signature(function).return_annotation in (bool, "bool")


@cache
def positional_names(function: AnyFunction) -> tuple[str, ...]:
    """Return the names of the data that a call may give by position, in their order."""
    _, others = _split(function)
    return tuple(p.name for p in others if p.kind is p.POSITIONAL_OR_KEYWORD)


def parameters_of(
    function: AnyFunction,
) -> tuple[list[inspect.Parameter], dict[str, Reader]]:
    """Return the parameters other than `ctx`, and what reads each.

    Raises:
        ConfigError: with a fault for everything in the signature that cannot work.
    """
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise ConfigError((Fault("handler", f"must be a function, not {function!r}"),))
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError((Fault("handler", "must return its result, not yield"),))
    context, others = _split(function)
    readers: dict[str, Reader] = {}
    faults = [] if context is None else [*_context_faults(function, context)]
    for parameter in others:
        try:
            readers[parameter.name] = _reader_of(function, parameter)
        except ConfigError as error:
            faults.extend(error.faults)
    if faults:
        raise ConfigError(tuple(faults))
    return others, readers


def _split(
    function: AnyFunction,
) -> tuple[inspect.Parameter | None, list[inspect.Parameter]]:
    """Return the parameter `ctx`, if it is the first one, and all others."""
    parameters = [*inspect.signature(function).parameters.values()]
    if not takes_context(function):
        return None, parameters
    return parameters[0], parameters[1:]


def _context_faults(function: AnyFunction, parameter: inspect.Parameter) -> Iterator[Fault]:
    if parameter.kind not in {parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD}:
        yield Fault(_CONTEXT, _CONTEXT_RULE)
        return
    try:
        annotation = _annotation_of(function, parameter)
    except ConfigError as error:
        yield from error.faults
    else:
        if annotation is not Any and not _is_context(annotation):
            yield Fault(_CONTEXT, f"{_CONTEXT_RULE}, not {_shown(annotation)}")


def _is_context(annotation: object) -> bool:
    return annotation is Context or typing.get_origin(annotation) is Context


def _reader_of(function: AnyFunction, parameter: inspect.Parameter) -> Reader:
    name = parameter.name
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise ConfigError((Fault(f"*{name}", "data has names, not positions"),))
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise ConfigError((Fault(name, "is positional-only; data has names, not positions"),))
    annotation = _annotation_of(function, parameter)
    if _is_context(annotation) or name == _CONTEXT:
        raise ConfigError((Fault(name, f"the context {_CONTEXT_RULE}"),))
    try:
        return Reader(annotation)
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


def _shown(annotation: object) -> str:
    return annotation.__name__ if isinstance(annotation, type) else str(annotation)
