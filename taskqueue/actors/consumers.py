"""The consumers' supervisor: OTP's, with pools whose sizes can be changed."""

from collections.abc import Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.actor import CANCEL_GRACE_S, ConsumerActor
from taskqueue.actors.consumer.settings import ConsumerSettings
from taskqueue.actors.messages import CONSUMERS, DATABASE, Resize, SetSlots
from taskqueue.actors.roster import Roster
from taskqueue.actors.storage_client import UNREACHABLE, StorageClient
from taskqueue.api.app import App
from taskqueue.events import events
from taskqueue.executors.process.pool import RETIRE_S
from taskqueue.executors.resources import CLOSE_S, OPEN_S
from taskqueue.rules.sizes import Capacity
from taskqueue.runtime import ActorRef, receives, tell
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
"""How long the storage is waited for that knows the sizes of the pools."""

SHARED = "consumer"
"""The pool for every queue that has no consumers of its own."""


class Pool(Struct):
    """Some consumers that serve the same queues."""

    count: int
    queues: tuple[str, ...]
    slots: int = 1
    name: str = SHARED

    @property
    def size(self) -> Capacity:
        """The configured size."""
        return Capacity(count=self.count, slots=self.slots)

    def names(self, count: int) -> tuple[str, ...]:
        """Return the names of its first consumers, `consumer-1` and on."""
        return tuple(f"{self.name}-{number}" for number in range(1, count + 1))


class ConsumersSupervisor(Supervisor):
    """Watches over the consumers of each pool.

    The size of a pool may be changed while it runs, and is kept in the storage. So it is the same
    after a restart of this supervisor, unlike what a supervisor of OTP was told later.
    """

    def __init__(
        self, pools: Sequence[Pool], app: App, settings: ConsumerSettings, roster: Roster
    ) -> None:
        self._app = app
        self._roster = roster
        self._settings = settings
        self._pools = {pool.name: pool for pool in pools}
        self._slots = {pool.name: pool.slots for pool in pools}
        super().__init__(CONSUMERS, self._specs({}), FLAGS)

    async def on_start(self) -> None:
        """Start as many consumers as are configured, or as calls have set."""
        changed = await self._changed_sizes()
        for name, size in changed.items():
            configured = self._pools[name].size
            events.info(
                "consumers_resized",
                pool=name,
                wanted=size.count,
                configured=configured.count,
                slots=size.slots,
                configured_slots=configured.slots,
            )
            self._slots[name] = size.slots
        self._given_children = self._specs(changed)
        await super().on_start()
        for name, size in changed.items():  # a surplus one that cannot start does not end others
            await self._have(self._pools[name], size.count)

    async def _changed_sizes(self) -> Mapping[str, Capacity]:
        storage = StorageClient(self.address(DATABASE), SIZES_S)
        try:
            stored = await storage.use(Storage.sizes)
        except UNREACHABLE as error:
            events.warning("consumers_size_unknown", reason=str(error))
            return {}
        return {
            name: stored[name].over(pool.size)
            for name, pool in self._pools.items()
            if name in stored and pool.queues
        }

    @receives(Resize)
    async def on_resize(self, message: Resize) -> None:
        """Set the slots of a pool; add what it lacks, or drain and remove the last ones.

        No handler is interrupted by fewer slots. If a consumer cannot be started (no descriptor or
        thread is left), those that run go on.
        """
        pool, slots = self._pools[message.pool], message.size.slots
        if self._slots[pool.name] != slots:
            self._slots[pool.name] = slots
            for name in self._consumers_of(pool):
                if (consumer := self._children[name].ref) is not None:
                    tell(consumer, SetSlots(slots=slots))
        await self._have(pool, message.size.count)

    async def _have(self, pool: Pool, count: int) -> None:
        wanted, present = pool.names(count), self._consumers_of(pool)
        try:
            for name in wanted:
                if name not in present:
                    await self.on_start_child(StartChild(spec=self._spec(pool, name)))
        except ChildStartFailed as error:
            events.warning("consumers_not_added", wanted=count, reason=str(error))
        for name in reversed(present):
            if name not in wanted:
                await self.on_terminate_child(TerminateChild(child=name))
                self.on_delete_child(DeleteChild(child=name))

    def _consumers_of(self, pool: Pool) -> Sequence[str]:
        return tuple(name for name in self._children if name.rpartition("-")[0] == pool.name)

    def _specs(self, changed: Mapping[str, Capacity]) -> list[ChildSpec]:
        return [
            self._spec(pool, name)
            for pool in self._pools.values()
            for name in pool.names(min(pool.count, changed.get(pool.name, pool.size).count))
        ]

    async def _start_consumer(self, pool: Pool, name: str) -> ActorRef:
        """Start a consumer with the slots that hold now, perhaps not those of its last life."""
        settings = replace(self._settings, queues=pool.queues, slots=self._slots[pool.name])
        return await ConsumerActor.start_link(name, self._app, settings, self._roster)

    def _spec(self, pool: Pool, name: str) -> ChildSpec:
        start = partial(self._start_consumer, pool, name)
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
