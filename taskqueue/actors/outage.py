"""What a fault of the storage leaves, and what it asks for: pure, obeyed by the database actor.

Most faults keep a storage from being written and leave it readable: a full disk, a file that is
read-only, another process in the middle of a transaction. Then it stays open, and is tried with a
probe. What cannot even be read, or could not be written were the cause gone, is opened anew.
"""

from enum import Enum

from taskqueue.errors import (
    StorageError,
    StorageReadOnly,
    StorageUnavailable,
    SyncFailed,
    WriterLost,
)
from taskqueue.storage.protocol import Storage

READS = frozenset(
    verb.__name__
    for verb in (
        Storage.all_due,
        Storage.counts,
        Storage.find,
        Storage.get,
        Storage.held,
        Storage.next_due,
        Storage.paused,
        Storage.rescue,
    )
)
"""The verbs that go on while nothing can be written."""


_STAYS = (StorageReadOnly, SyncFailed, WriterLost)


class Remedy(Enum):
    """How an open storage comes back."""

    PROBE = "probe"  # it stays open; a later probe will find that the cause is gone
    REOPEN = "reopen"  # nothing of it is of use: close it and open it again


def leaves_reads(error: StorageError) -> bool:
    """Tell whether an open storage may still be read after a verb raised `error`.

    Never what is corrupt: half of an answer would look like a whole one.
    """
    return isinstance(error, StorageUnavailable)


def remedy(error: StorageError, *, readable: bool) -> Remedy:
    """Return what is to be done about an open storage whose probe raised `error`.

    `readable` says whether a read has just been answered. A connection that was opened read-only
    stays so, however writable its file is by now, and who is lost does not come back.
    """
    if not readable or isinstance(error, _STAYS) or not leaves_reads(error):
        return Remedy.REOPEN
    return Remedy.PROBE
