"""The header `traceparent` of a request that queues tasks: of which trace they are part."""

from multidict import MultiMapping, istr

from taskqueue.http.queries import Parameter
from taskqueue.rules.traces import traceparent_of

HEADER = "traceparent"
TRACE_HEADER = {
    HEADER: Parameter(
        str,
        "the `traceparent` of W3C Trace Context; anything else is ignored",
        str,
    )
}

_NAME = istr(HEADER)


def read_traceparent(headers: MultiMapping[str]) -> str | None:
    """Return the trace that a request is part of; None if it says none, or none that is valid."""
    texts = headers.getall(_NAME, ())
    return traceparent_of(texts[0]) if len(texts) == 1 else None
