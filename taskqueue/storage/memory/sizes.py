"""The sizes of pools in memory."""

from collections.abc import Mapping

from taskqueue.storage.memory.part import MemoryPart


class MemorySizes(MemoryPart):
    """The part of the model that keeps how many consumers there are meant to be."""

    def __init__(self) -> None:
        super().__init__()
        self._sizes: dict[str, int] = {}

    async def set_size(self, pool: str, consumers: int | None) -> None:
        self._require_open()
        if consumers is None:
            self._sizes.pop(pool, None)
        else:
            self._sizes[pool] = consumers

    async def sizes(self) -> Mapping[str, int]:
        self._require_open()
        return dict(self._sizes)
