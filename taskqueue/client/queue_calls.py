"""One request per verb about one queue, with the reader of its answer. No I/O here."""

from urllib.parse import quote, urlencode

import msgspec

from taskqueue.client.call import Call
from taskqueue.client.views import FlowPage
from taskqueue.rules.sizes import PoolSize, SizeChange

_read_flows = msgspec.json.Decoder(FlowPage).decode
_read_size = msgspec.json.Decoder(PoolSize).decode


def consumers(queue: str) -> Call[PoolSize]:
    """Ask for the size of the pool that serves a queue."""
    return Call(method="GET", path=_of_queue(queue, "consumers"), read=_read_size)


def resize(queue: str, change: SizeChange) -> Call[PoolSize]:
    """Change the size of that pool."""
    body = msgspec.json.encode(change)
    return Call(method="PUT", path=_of_queue(queue, "consumers"), body=body, read=_read_size)


def flows(queue: str, cursor: str | None) -> Call[FlowPage]:
    """Ask for a page of the flows of a queue."""
    query = "" if cursor is None else f"?{urlencode({'cursor': cursor})}"
    return Call(method="GET", path=f"{_of_queue(queue, 'flows')}{query}", read=_read_flows)


def _of_queue(queue: str, what: str) -> str:
    return f"/queues/{quote(queue, safe='')}/{what}"
