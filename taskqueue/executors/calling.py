"""Calls handlers, so that what libraries log meanwhile is kept with the attempt."""

from collections.abc import Mapping
from typing import Any

from taskqueue import attempt_log
from taskqueue.api.context import Context
from taskqueue.api.handler import Handler


def called(handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> Any:
    """Call the handler and return what it returns, in context variables that are its own."""
    attempt_log.current.set(context.handle.log)
    return handler.function(*handler.args(context), **kwargs)
