"""The trace that a task is part of, as W3C Trace Context writes it.

00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01
version, id of the trace, id of the span that enqueued the task, flags
"""

import re

# Version ff is none; an id is not all zeros. What a later version appends is not kept.
_TRACEPARENT = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
)


def traceparent_of(text: str) -> str | None:
    """Return what a header `traceparent` says, None if it says nothing that can be used.

    >>> traceparent_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> traceparent_of("00-00000000000000000000000000000000-b7ad6b7169203331-01") is None
    True
    """
    found = _TRACEPARENT.fullmatch(text.strip())
    if found is None:
        return None
    version, trace, span, flags, more = found.groups()
    if version == "00" and more is not None:
        return None
    return f"00-{trace}-{span}-{flags}"


def trace_of(traceparent: str | None) -> str | None:
    """Return the id of the trace that a stored `traceparent` names.

    >>> trace_of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    '0af7651916cd43dd8448eb211c80319c'
    """
    return None if traceparent is None else traceparent[3:35]
