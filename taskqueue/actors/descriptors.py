"""Whether there are file descriptors for more consumers."""

import resource
from pathlib import Path

from taskqueue.errors import TooManyConsumers

PER_CONSUMER = 4
"""Its loop takes three; the way to its fork server, if it has one, takes another."""

KEPT_SHARE = 4
"""One in so many descriptors is kept for connections, workers and the storage."""


def require_descriptors(count: int, *, running: int) -> None:
    """Make sure that there can be `count` consumers where `running` run.

    Raises:
        TooManyConsumers: a consumer that is started without descriptors fails, and takes the
            connections of others with it.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return
    taken = sum(1 for _ in Path("/dev/fd").iterdir())
    check_descriptors(count, running=running, taken=taken, limit=limit)


def check_descriptors(count: int, *, running: int, taken: int, limit: int) -> None:
    """Decide it from figures, as `require_descriptors` says.

    >>> check_descriptors(4, running=2, taken=30, limit=1024)
    """
    wanted = (count - running) * PER_CONSUMER
    free = limit - limit // KEPT_SHARE - taken
    if count > running and wanted > free:
        raise TooManyConsumers(count, wanted, free)
