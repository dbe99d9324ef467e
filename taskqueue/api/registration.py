"""What `@app.task` returns and takes, as types."""

from collections.abc import Callable
from typing import Concatenate, Literal, ParamSpec, Protocol, TypeAlias, TypeVar, overload

from taskqueue.api.action import Action, PlainAction
from taskqueue.api.context import Context
from taskqueue.api.parameters import AnyFunction

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

ExecutorName: TypeAlias = Literal["loop", "thread", "process"]


class Registration(Protocol):
    """Registers the function that it decorates."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context[T], P], R], /) -> Action[P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> PlainAction[P, R]: ...


def name_of(function: AnyFunction) -> str:
    """Return the name of the action that a function without another one is registered for."""
    return str(getattr(function, "__name__", ""))  # what has none is refused with its other faults
