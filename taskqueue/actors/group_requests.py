"""The requests about groups: the storage has all that they ask for."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec.structs import asdict

from taskqueue.actors.messages import TasksAccepted
from taskqueue.actors.storage_client import StorageClient
from taskqueue.clock import Clock
from taskqueue.commands import CloseGroup, GetGroup, GetGroups
from taskqueue.rules.groups import CloseResult, Group
from taskqueue.runtime import Address, Request, tell
from taskqueue.storage.protocol import Storage


class GroupRequests:
    """Closes groups and shows them."""

    def __init__(self, storage: StorageClient, queue: Address, clock: Clock) -> None:
        """Serve from `storage` at the time of `clock`; tell the `queue` of new tasks."""
        self._storage = storage
        self._queue = queue
        self._clock = clock
        self.handlers: Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]] = {
            CloseGroup: self._close,
            GetGroup: self._get,
            GetGroups: self._get_all,
        }

    async def _close(self, message: CloseGroup) -> CloseResult:
        now, tasks = self._clock.now(), message.tasks
        result = await self._storage.use(Storage.close_group, message.wanted, tasks, now=now)
        if result.accepted:
            tell(self._queue, TasksAccepted(tasks=tasks, accepted=result.accepted))
        return result

    async def _get(self, message: GetGroup) -> Group | None:
        return await self._storage.use(Storage.get_group, message.name)

    async def _get_all(self, message: GetGroups) -> tuple[Group, ...]:
        return await self._storage.use(Storage.groups, **asdict(message))
