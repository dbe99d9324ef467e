"""The fields of a task's data, for what is made of them: the key of a limit, a flow, a weight."""

import inspect
from collections.abc import Mapping
from typing import Any

import msgspec

from taskqueue.api.parameters import AnyFunction


def defaults_of(function: AnyFunction) -> Mapping[str, object]:
    """Return the defaults of a handler's parameters, which hold for what data leaves out."""
    parameters = inspect.signature(function).parameters.values()
    return {each.name: each.default for each in parameters if each.default is not each.empty}


def value_of(field: str, data: Mapping[str, Any], defaults: Mapping[str, object]) -> Any:
    """Return the value of a field as JSON has it; None if it is left out, or has no JSON form."""
    try:
        return msgspec.to_builtins(data.get(field, defaults.get(field)))
    except Exception:  # noqa: BLE001 - of a type of user code; whatever it is, it is no text
        return None


def text_of(value: object) -> str | None:
    """Return text, a number or a truth value as text; None for any other value.

    >>> text_of("a"), text_of(7), text_of(7.0), text_of(True), text_of([7])
    ('a', '7', '7', 'true', None)
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
