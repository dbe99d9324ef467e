"""What can happen to an open file that only opening it again mends."""

from taskqueue.errors import StorageLost


class WriterLost(StorageLost):
    """The process that writes for the storage has ended."""


class SyncFailed(StorageLost):
    """The disk did not sync the database file, and has lost any part of what it was to write.

    All of it is in the log, which is written as a whole when the storage is opened again.
    """
