"""What all parts of the model share."""

from taskqueue.errors import StorageUnavailable
from taskqueue.storage.memory.gates import Gates
from taskqueue.storage.memory.table import Table


class MemoryPart:
    """A part of the model: verbs on one table, while it is open."""

    def __init__(self) -> None:
        super().__init__()
        self._table = Table()
        self._gates = Gates(self._table)
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise StorageUnavailable("closed")
