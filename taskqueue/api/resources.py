"""What the handlers of a consumer or a worker process share, such as a connection pool."""

import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias, TypeVar

from taskqueue.errors import ConfigError, Fault

T = TypeVar("T")

OpenResources: TypeAlias = Callable[[], AbstractAsyncContextManager[T]]
"""Makes an async context manager whose value is `ctx.resources`."""


def require_resources(function: object) -> None:
    """Raise `ConfigError` if this cannot make a context manager."""
    if inspect.isasyncgenfunction(function):
        problem = "is an async generator; put @asynccontextmanager between it and @app.resources"
    elif inspect.iscoroutinefunction(function) or not callable(function):
        problem = "must be a function that returns an async context manager"
    else:
        return
    raise ConfigError((Fault("resources", problem),))
