"""Middleware: code around every attempt of an app."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

from taskqueue.api.context import Context
from taskqueue.errors import ConfigError, Fault

CallNext: TypeAlias = Callable[[], Awaitable[object]]
"""Runs the next middleware, or at last the handler, and returns what the handler returned."""

Middleware: TypeAlias = Callable[[Context[Any], CallNext], Awaitable[object]]

M = TypeVar("M", bound=Middleware)


def require_middleware(middleware: object) -> None:
    """Raise `ConfigError` unless this is an `async def` of a context and a `call_next`."""
    if not is_async(middleware):
        raise ConfigError((Fault("middleware", "must be an `async def`"),))
    try:
        inspect.signature(middleware).bind(None, None)  # type: ignore[arg-type] # it is callable
    except TypeError as error:
        raise ConfigError((Fault("middleware", "must take `ctx` and `call_next`"),)) from error


def is_async(function: object) -> bool:
    """Tell whether this is an `async def`, or an object that is called like one."""
    call = getattr(type(function), "__call__", None)  # noqa: B004 - it is what is called
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(call)
