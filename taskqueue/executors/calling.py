"""Calls handlers, with the log and the trace of their attempt in context variables."""

from collections.abc import Mapping
from typing import Any

from taskqueue import attempt_log, traces
from taskqueue.api.context import Context
from taskqueue.api.handler import Handler


def called(handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> object:
    """Call a handler and return what it returns, in context variables that are its own."""
    attempt_log.current.set(context.handle.log)
    if context.tracing is None:
        _enter_trace(context, context.task.traceparent)
        return handler.function(*handler.args(context), **kwargs)
    with context.tracing.attempting(context.task) as traceparent:
        _enter_trace(context, traceparent)
        return handler.function(*handler.args(context), **kwargs)


async def awaited(handler: Handler, context: Context, kwargs: Mapping[str, Any]) -> object:
    """Do the same with a handler that is an `async def`."""
    attempt_log.current.set(context.handle.log)
    if context.tracing is None:
        _enter_trace(context, context.task.traceparent)
        return await handler.function(*handler.args(context), **kwargs)
    with context.tracing.attempting(context.task) as traceparent:
        _enter_trace(context, traceparent)
        return await handler.function(*handler.args(context), **kwargs)


def _enter_trace(context: Context, traceparent: str | None) -> None:
    context.traceparent = traceparent
    traces.handling.set(traceparent)
