"""Memory while a service runs on it."""

from types import TracebackType
from typing import Self
from uuid import uuid4

from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Owner
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.storage.protocol import Storage


class MemoryBackend:
    """The engine of one service: every storage that it returns has the same tasks."""

    def __init__(self) -> None:
        self.owner = Owner(node="local", incarnation=uuid4().hex)
        self.commits = CommitMeasures()
        self.clock = None
        self._storage = MemoryStorage()

    async def prepare(self) -> None:
        """Nothing has to be there."""

    def storage(self) -> Storage:
        return self._storage

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was started ahead."""
