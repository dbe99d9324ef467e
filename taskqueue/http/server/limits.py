"""What one client may cost: connections, time and memory.

A client that sends or reads slowly is cut when its time is up, and earlier if others need the room:
the connection that has waited longest for its client is closed first.
"""

from taskqueue.structs import Struct

MAX_LINE_BYTES = 8190  # of the request line, and of one header field


class Limits(Struct):
    """The limits of one server. Durations are in seconds."""

    max_connections: int = 2_000
    """Connections open at once; see `connections_within` for fewer."""

    idle_s: float = 75.0
    """Between two requests, and before the first; longer than the 60 s of common proxies."""

    head_s: float = 10.0
    """From the first byte of a request to the end of its header."""

    body_s: float = 60.0
    """From the end of the header to the end of the body."""

    stalled_s: float = 30.0
    """Without the client reading 64 KiB of its answer."""

    linger_s: float = 2.0
    """How long the rest of a refused body is read and dropped, so that the client sees why."""

    max_held_bytes: int = 128 << 20
    """Bodies that are still arriving and large answers that are still being read, together."""


LIMITS = Limits()
"""Those of a service."""


def connections_within(limits: Limits, descriptors: int) -> int:
    """Return how many connections may be open in a process that may have so many descriptors.

    A quarter of these, and 128 at least, is kept for the storage, for processes and for handlers.

    >>> connections_within(Limits(), 1024), connections_within(Limits(), 1_048_576)
    (768, 2000)
    >>> connections_within(Limits(), 100)
    8
    """
    reserve = max(128, descriptors // 4)
    return max(8, min(limits.max_connections, descriptors - reserve))


def descriptors_for(connections: int) -> int:
    """Return how many descriptors a process needs that is to have so many connections open.

    >>> descriptors_for(2_000), descriptors_for(100)
    (2667, 228)
    >>> connections_within(Limits(), descriptors_for(2_000))
    2000
    """
    return max(connections + 128, -(-4 * connections // 3))
