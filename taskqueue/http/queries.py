"""The queries of requests: every parameter known, allowed, and given once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from multidict import MultiMapping

from taskqueue.errors import Fault, Faults
from taskqueue.http.problems import Problem

Parameters: TypeAlias = Mapping[str, tuple[Callable[[str], object], str]]
"""By name: what reads a text (None if it is not allowed), and what is allowed."""


def read_query(query: MultiMapping[str], parameters: Parameters) -> dict[str, Any]:
    """Return the values of a query's parameters, those left out left out.

    Raises:
        Problem: 422, with every parameter that is wrong.
    """
    values: dict[str, Any] = {}
    faults = Faults()
    for name, text in query.items():
        if name not in parameters:
            faults.add(Fault(name, f"unknown; there are {', '.join(parameters)}"))
            continue
        read, allowed = parameters[name]
        value = read(text)
        if name in values:
            faults.add(Fault(name, "given twice"))
        elif value is None:
            faults.add(Fault(name, f"must be {allowed}"))
        values[name] = value
    if faults:
        raise Problem.invalid("invalid query", faults)
    return values
