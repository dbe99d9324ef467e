"""Decides how to recover from a fault of the storage: pure, for the database actor.

Most faults prevent writes and leave reads possible: a full disk, a lock that another process holds.
Then the storage stays open, and a probe finds out when it can be written again. A storage that
cannot be read, or that stays unusable when the cause is gone, is closed and opened again.
"""

from enum import Enum

from taskqueue.errors import (
    StorageError,
    StorageLost,
    StorageReadOnly,
    StorageUnavailable,
)
from taskqueue.storage.protocol import Storage

READS = frozenset(
    verb.__name__
    for verb in (
        Storage.ahead,
        Storage.all_due,
        Storage.cancel_requests,
        Storage.changes,
        Storage.count,
        Storage.count_due,
        Storage.counts,
        Storage.dead_groups,
        Storage.depths,
        Storage.find,
        Storage.flows,
        Storage.gate_of,
        Storage.get,
        Storage.get_group,
        Storage.groups,
        Storage.heads,
        Storage.held,
        Storage.is_draining,
        Storage.limit_keys,
        Storage.limits,
        Storage.logs,
        Storage.next_due,
        Storage.next_expiry,
        Storage.next_lease_end,
        Storage.nodes,
        Storage.paused,
        Storage.queue_limits,
        Storage.rescue,
        Storage.schedule,
        Storage.schedules,
        Storage.tokens,
        Storage.search,
        Storage.sizes,
    )
)
"""The verbs that work while nothing can be written."""

_STAYS = (StorageReadOnly, StorageLost)


class Remedy(Enum):
    """How an open storage comes back."""

    PROBE = "probe"  # it stays open; a later probe finds that the cause is gone
    REOPEN = "reopen"  # close it and open it again


def leaves_reads(error: StorageError) -> bool:
    """Tell whether an open storage may still be read after a verb raised `error`.

    Never a corrupt one: an incomplete answer would look like a complete one.
    """
    return isinstance(error, StorageUnavailable)


def remedy(error: StorageError, *, readable: bool) -> Remedy:
    """Return how to recover an open storage whose probe raised `error`.

    `readable` tells whether a read has just succeeded. A storage that was opened read-only stays
    so when its database is writable again, and one that was lost does not come back.
    """
    if not readable or isinstance(error, _STAYS) or not leaves_reads(error):
        return Remedy.REOPEN
    return Remedy.PROBE
