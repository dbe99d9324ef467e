"""The sizes of pools in memory."""

from collections.abc import Mapping

from taskqueue.rules.sizes import SetSize, SizeChange
from taskqueue.storage.memory.part import MemoryPart


class MemorySizes(MemoryPart):
    """The part of the model that keeps what was set of the sizes of pools."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, SetSize] = {}

    async def set_size(self, pool: str, change: SizeChange) -> None:
        self._require_open()
        changed = self._sizes.pop(pool, SetSize()).changed(change)
        if not changed.is_empty:
            self._sizes[pool] = changed

    async def sizes(self) -> Mapping[str, SetSize]:
        self._require_open()
        return dict(self._sizes)
