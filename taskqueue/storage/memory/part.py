"""What all parts of the model share."""

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.memory.chains import ChainedGates
from taskqueue.storage.memory.members import MemberTable
from taskqueue.storage.memory.notices import MemoryNotices


class MemoryPart(MemoryNotices):
    """A part of the model: verbs on one table, while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._table = MemberTable()
        self._gates = ChainedGates(self._table)
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable("closed")

    def _turn_groups(self, *, now: float) -> None:
        """End what has ended, at the end of a verb that has changed members."""
        for end in self._table.turned(self._gates.insert, now=now):
            self._tell_group_end(end)
