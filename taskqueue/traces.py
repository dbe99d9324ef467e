"""The trace that code of this process is part of now, as W3C Trace Context writes it."""

import sys
from contextvars import ContextVar

handling: ContextVar[str | None] = ContextVar("taskqueue_traceparent", default=None)
"""The trace of the task whose handler runs in this context."""


def current_traceparent() -> str | None:
    """Return the `traceparent` of what runs here: that of OpenTelemetry's span, or of the task.

    OpenTelemetry is asked only if this program has imported it.
    """
    opentelemetry = sys.modules.get("opentelemetry.trace")
    if opentelemetry is not None:
        span = opentelemetry.get_current_span().get_span_context()
        if span.is_valid:
            return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return handling.get()
