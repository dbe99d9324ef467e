"""Whether there are file descriptors for so many consumers."""

import resource

from taskqueue.errors import TooManyConsumers
from taskqueue.http.server.limits import LIMITS, Limits, connections_within

PER_CONSUMER = 4
"""Its loop takes three; the way to its fork server, if it has one, takes another."""

OTHERS = 64
"""For the storage, the log, the fork servers' workers and whatever handlers open."""


def require_descriptors(consumers: int, limits: Limits = LIMITS) -> None:
    """Make sure that there are descriptors for so many consumers beside all connections.

    Raises:
        TooManyConsumers: a consumer that is started without descriptors fails, and takes the
            connections of others with it.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if descriptors != resource.RLIM_INFINITY:
        check_descriptors(consumers, descriptors, limits)


def check_descriptors(consumers: int, descriptors: int, limits: Limits = LIMITS) -> None:
    """Decide it for a process that may have so many `descriptors`, as `require_descriptors` says.

    >>> check_descriptors(48, 1024)
    >>> check_descriptors(49, 1024)
    Traceback (most recent call last):
    ...
    taskqueue.errors.TooManyConsumers: 49 consumers need 196 file descriptors, and 192 of 1024 \
are available; raise the limit (ulimit -n) or start fewer consumers
    """
    free = descriptors - connections_within(limits, descriptors) - OTHERS
    wanted = consumers * PER_CONSUMER
    if wanted > free:
        raise TooManyConsumers(consumers, wanted, max(free, 0), descriptors)
