"""The queries of requests: every parameter known, allowed, and given once."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from msgspec import Meta
from multidict import MultiMapping

from taskqueue.errors import Fault, Faults
from taskqueue.http.problems import Problem


class Parameter(NamedTuple):
    """One parameter of a query, a path or a header."""

    read: Callable[[str], object]
    """Returns the value of a text; None if it is not allowed."""
    allowed: str
    """What is allowed, in words: \"must be …\"."""
    type: Any = str
    """The type of the text, as documented."""


Parameters: TypeAlias = Mapping[str, Parameter]


def whole_number(least: int, most: int) -> Parameter:
    """Return a parameter that is a whole number within these bounds.

    >>> [whole_number(1, 100).read(text) for text in ("7", "100", "101", "0", "7.5", "9" * 5000)]
    [7, 100, None, None, None, None]
    """
    digits = len(str(most))

    def read(text: str) -> int | None:
        # Python converts no more than 4,300 digits.
        if not (text.isascii() and text.isdecimal() and len(text) <= digits):
            return None
        number = int(text)
        return number if least <= number <= most else None

    allowed = f"a whole number from {least} to {most}"
    return Parameter(read, allowed, Annotated[int, Meta(ge=least, le=most)])


class Query(NamedTuple):
    """The query of a call: its parameters, and the type that holds their values."""

    into: Callable[..., Any]
    parameters: Parameters

    def read(self, query: MultiMapping[str]) -> Any:
        """Return the values of a query, defaults for those left out.

        Raises:
            Problem: 422, with every parameter that is wrong.
        """
        return self.into(**_values(query, self.parameters))


def _values(query: MultiMapping[str], parameters: Parameters) -> dict[str, Any]:
    values: dict[str, Any] = {}
    faults = Faults()
    for name, text in query.items():
        if name not in parameters:
            faults.add(Fault(name, f"unknown; there are {', '.join(parameters)}"))
            continue
        value = parameters[name].read(text)
        if name in values:
            faults.add(Fault(name, "given twice"))
        elif value is None:
            faults.add(Fault(name, f"must be {parameters[name].allowed}"))
        values[name] = value
    if faults:
        raise Problem.invalid("invalid query", faults)
    return values
