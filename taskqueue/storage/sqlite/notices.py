"""What an open file reports by itself, and to whom."""

from collections.abc import Callable

from taskqueue.errors import StorageUnavailable
from taskqueue.rules.groups import GroupEnd


class SQLiteNotices:
    """The part of `SQLiteStorage` that calls back."""

    def __init__(self) -> None:
        self._tell_loss: Callable[[StorageUnavailable], object] = lambda _: None
        self._tell_foreign_commit: Callable[[], object] = lambda: None
        self._tell_foreign_tasks: Callable[[], object] = lambda: None
        self._tell_group_end: Callable[[GroupEnd], object] = lambda _: None

    def on_loss(self, notify: Callable[[StorageUnavailable], object]) -> None:
        self._tell_loss = notify

    def on_foreign_commit(self, notify: Callable[[], object]) -> None:
        self._tell_foreign_commit = notify

    async def hears_others(self) -> bool:
        """Return False: the file is watched on some systems only, and asking it costs little."""
        return False

    def on_foreign_tasks(self, notify: Callable[[], object]) -> None:
        self._tell_foreign_tasks = notify

    def on_group_end(self, notify: Callable[[GroupEnd], object]) -> None:
        self._tell_group_end = notify

    def _on_foreign_commit(self) -> None:
        self._tell_foreign_commit()

    def _on_foreign_tasks(self) -> None:
        self._tell_foreign_tasks()

    def _on_group_end(self, end: GroupEnd) -> None:
        self._tell_group_end(end)
