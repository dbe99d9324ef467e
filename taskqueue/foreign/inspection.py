"""Inspects values of user code without running their methods; see also `rendering`."""

from typing import TypeGuard, TypeVar

import msgspec

T = TypeVar("T")


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """Tell whether a value is of a type. Unlike `isinstance`, this never runs its `__class__`."""
    return issubclass(type(value), kind)


def name_of(kind: type) -> str:
    """Return the name of a type, whatever its metaclass says.

    >>> name_of(OSError)
    'OSError'
    """
    return plain(type.__dict__["__name__"].__get__(kind))


def plain(text: str) -> str:
    """Return text as exactly a `str`: a subclass may run its own code when hashed or formatted."""
    return str.__getitem__(text, slice(None))


def shape_of(value: object) -> str:
    """Describe a value by its type and the types of a struct's fields.

    For logs, because a payload may be secret or large.

    >>> class Login(msgspec.Struct):
    ...     user: str
    ...     password: str
    >>> shape_of(Login("anna", "secret")), shape_of({"a": 1}), shape_of("secret")
    ('Login(user=str, password=str)', 'dict', 'str')
    """
    kind = type(value)
    if not issubclass(kind, msgspec.Struct):
        return name_of(kind)
    fields = (f"{field}={_type_in(value, field)}" for field in kind.__struct_fields__)
    return f"{name_of(kind)}({', '.join(fields)})"


def _type_in(value: object, field: str) -> str:
    try:
        return name_of(type(object.__getattribute__(value, field)))
    except AttributeError:
        return "unset"
