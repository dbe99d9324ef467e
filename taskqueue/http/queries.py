"""The queries of requests: every parameter known, allowed, and given once."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

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
