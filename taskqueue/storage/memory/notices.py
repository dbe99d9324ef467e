"""What a storage reports by itself, and memory has no reason to."""

from collections.abc import Callable

from taskqueue.errors import StorageUnavailable


class MemoryNotices:
    """The part of `MemoryStorage` that never calls anything."""

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        """Never calls it: memory is not lost before its process is."""

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        """Never calls it: no other process has this memory."""
