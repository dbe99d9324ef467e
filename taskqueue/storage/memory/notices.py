"""What a storage reports by itself, and memory mostly has no reason to."""

from collections.abc import Callable

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.groups import GroupEnd


class MemoryNotices:
    """The part of `MemoryStorage` that calls back: of all events, only the ends of groups occur."""

    def __init__(self) -> None:
        super().__init__()
        self._tell_group_end: Callable[[GroupEnd], object] = lambda _: None

    def on_group_end(self, notify: Callable[[GroupEnd], object]) -> None:
        self._tell_group_end = notify

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        """Never calls it: memory is not lost before its process is."""

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        """Never calls it: no other process has this memory."""

    async def hears_others(self) -> bool:
        """Return False: no other process can commit, and polling memory costs nothing."""
        return False

    def on_foreign_tasks(self, notify: Callable[[], object]) -> None:
        """Never calls it either."""
