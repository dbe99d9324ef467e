"""The consumers' supervisor: OTP's, with a number of consumers that can be changed."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.actor import CANCEL_GRACE_S, ConsumerActor, ConsumerSettings
from taskqueue.actors.messages import CONSUMERS, DATABASE, Resize
from taskqueue.actors.roster import Roster
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.api.app import App
from taskqueue.events import events
from taskqueue.executors.process.pool import RETIRE_S
from taskqueue.executors.resources import CLOSE_S, OPEN_S
from taskqueue.runtime import receives
from taskqueue.storage.protocol import Storage
from taskqueue.structs import Struct
from taskqueue.supervision import (
    Backoff,
    ChildSpec,
    ChildStartFailed,
    Flags,
    Intensity,
    Supervisor,
)
from taskqueue.supervision.calls import DeleteChild, StartChild, TerminateChild

FLAGS = Flags(intensity=Intensity(max_restarts=20, period_s=60))

RESOURCES_BACKOFF = Backoff(initial_s=0.1, max_s=30.0)
"""Of consumers with resources: a database that is being restarted must not end the service."""

SIZES_S = 5.0
"""How long the storage is waited for that knows their number."""

SHARED = "consumer"
"""The pool for every queue that has no consumers of its own."""


class Pool(Struct):
    """Some consumers that serve the same queues."""

    count: int
    queues: tuple[str, ...]
    slots: int = 1
    name: str = SHARED

    def names(self, count: int) -> tuple[str, ...]:
        """Return the names of its first consumers, `consumer-1` and on."""
        return tuple(f"{self.name}-{number}" for number in range(1, count + 1))


class ConsumersSupervisor(Supervisor):
    """Watches over the consumers of each pool.

    The number of shared ones may be changed while it runs, and is kept in the storage. So it is the
    same after a restart of this supervisor, unlike what a supervisor of OTP was told later.
    """

    def __init__(
        self, pools: Sequence[Pool], app: App, settings: ConsumerSettings, roster: Roster
    ) -> None:
        self._app = app
        self._roster = roster
        self._settings = settings
        self._pools = pools
        self._shared = next(pool for pool in pools if pool.name == SHARED)
        super().__init__(CONSUMERS, self._specs(self._shared.count), FLAGS)

    async def on_start(self) -> None:
        """Start as many consumers as are configured, or as a call has set."""
        wanted = await self._stored_size()
        if wanted is not None:
            events.info("consumers_resized", wanted=wanted, configured=self._shared.count)
            self._given_children = self._specs(min(wanted, self._shared.count))
        await super().on_start()
        if wanted is not None:
            await self._resize(wanted)  # a surplus one that cannot start does not end the others

    async def _stored_size(self) -> int | None:
        if not self._shared.queues:
            return None
        storage = StorageClient(self.address(DATABASE), SIZES_S)
        try:
            return (await storage.use(Storage.sizes)).get(SHARED)
        except UNREACHABLE as error:
            events.warning("consumers_size_unknown", reason=str(error))
            return None

    @receives(Resize)
    async def on_resize(self, message: Resize) -> None:
        """Add what is missing, or drain and remove the last ones.

        If one cannot be started (no descriptor or thread is left), those that run go on.
        """
        await self._resize(message.count)

    async def _resize(self, count: int) -> None:
        wanted = self._shared.names(count)
        present = tuple(name for name in self._children if name.rpartition("-")[0] == SHARED)
        try:
            for name in wanted:
                if name not in present:
                    await self.on_start_child(StartChild(spec=self._spec(self._shared, name)))
        except ChildStartFailed as error:
            events.warning("consumers_not_added", wanted=count, reason=str(error))
        for name in reversed(present):
            if name not in wanted:
                await self.on_terminate_child(TerminateChild(child=name))
                self.on_delete_child(DeleteChild(child=name))

    def _specs(self, shared: int) -> list[ChildSpec]:
        return [
            self._spec(pool, name)
            for pool in self._pools
            for name in pool.names(shared if pool is self._shared else pool.count)
        ]

    def _spec(self, pool: Pool, name: str) -> ChildSpec:
        settings = replace(self._settings, queues=pool.queues, slots=pool.slots)
        start = partial(ConsumerActor.start_link, name, self._app, settings, self._roster)
        shutdown_s = self._settings.drain_s + 2 * CANCEL_GRACE_S  # its stop waits for its handlers
        if self._app.open_resources is None:
            return ChildSpec(id=name, start=start, shutdown=shutdown_s)
        return ChildSpec(
            id=name,
            start=start,
            # The resources of its processes are closed before its own.
            shutdown=shutdown_s + RETIRE_S + 2 * CLOSE_S,
            start_timeout_s=OPEN_S + CLOSE_S,
            backoff=RESOURCES_BACKOFF,
        )
