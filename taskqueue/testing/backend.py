"""Puts a storage of the test's into the service: `Parts(backend=Given(lambda: storage))`."""

from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from taskqueue.rules.measures import CommitMeasures
from taskqueue.rules.tasks import Owner
from taskqueue.storage.protocol import Storage


class Given:
    """A backend whose storages come from the test."""

    def __init__(self, make_storage: Callable[[], Storage]) -> None:
        self.owner = Owner(node="local", incarnation=uuid4().hex)
        self.commits = CommitMeasures()
        self.clock = None
        self.storage = make_storage

    async def prepare(self) -> None:
        """Nothing has to be there."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing was started ahead."""
