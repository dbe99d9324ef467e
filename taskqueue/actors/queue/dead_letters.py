"""Redrives or deletes all dead tasks that match, page by page."""

from collections.abc import Awaitable, Callable, Sequence

from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.rules.tasks import Status
from taskqueue.storage.protocol import Storage

PAGE = 500  # short enough to ride with other writes


class DeadLetters:
    """The dead tasks of a storage.

    Each page is a commit of its own, so a large redrive does not block other writes. If it is
    interrupted, its pages stay committed, and it can be repeated.
    """

    def __init__(self, storage: StorageClient, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def redrive(self, *, action: str | None, queue: str | None) -> int:
        """Queue all matching tasks again; return their number."""
        return await self._each_page(self._redrive, action=action, queue=queue)

    async def delete(self, *, action: str | None, queue: str | None) -> int:
        """Delete all matching tasks; return their number."""
        return await self._each_page(self._delete, action=action, queue=queue)

    async def _redrive(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        return await self._storage.use(Storage.redrive, task_ids, now=self._clock.now())

    async def _delete(self, task_ids: Sequence[str]) -> tuple[str, ...]:
        return await self._storage.use(Storage.delete, task_ids)

    async def _each_page(
        self,
        work: Callable[[Sequence[str]], Awaitable[tuple[str, ...]]],
        *,
        action: str | None,
        queue: str | None,
    ) -> int:
        done, before = 0, None
        while page := await self._storage.use(
            Storage.find,
            status=Status.DEAD,
            action=action,
            queue=queue,
            before=before,
            limit=PAGE,
            now=self._clock.now(),
            brief=True,
        ):
            done += len(await work([task.id for task in page]))
            before = page[-1].id
        return done
