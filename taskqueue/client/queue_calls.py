"""One request per verb about one queue, with the reader of its answer. No I/O here."""

from urllib.parse import quote

import msgspec

from taskqueue.client.call import Call
from taskqueue.rules.sizes import PoolSize, SizeChange

_read_size = msgspec.json.Decoder(PoolSize).decode


def consumers(queue: str) -> Call[PoolSize]:
    """Ask for the size of the pool that serves a queue."""
    return Call(method="GET", path=_of_queue(queue, "consumers"), read=_read_size)


def resize(queue: str, change: SizeChange) -> Call[PoolSize]:
    """Change the size of that pool."""
    body = msgspec.json.encode(change)
    return Call(method="PUT", path=_of_queue(queue, "consumers"), body=body, read=_read_size)


def _of_queue(queue: str, what: str) -> str:
    return f"/queues/{quote(queue, safe='')}/{what}"
