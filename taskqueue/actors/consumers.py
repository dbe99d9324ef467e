"""The consumers' supervisor: OTP's, with a number of consumers that can be changed."""

from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from taskqueue.actors.consumer.actor import CANCEL_GRACE_S, ConsumerActor, ConsumerSettings
from taskqueue.actors.messages import CONSUMERS
from taskqueue.actors.roster import Roster
from taskqueue.api.app import App
from taskqueue.commands import Resize
from taskqueue.events import events
from taskqueue.executors.process.pool import RETIRE_S
from taskqueue.executors.resources import CLOSE_S, OPEN_S
from taskqueue.runtime import receives
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

    If it is restarted itself there are as many as at first again, as with everything that a
    supervisor was told later. Source: OTP `supervisor`.
    """

    def __init__(
        self, pools: Sequence[Pool], app: App, settings: ConsumerSettings, roster: Roster
    ) -> None:
        self._app = app
        self._roster = roster
        self._settings = settings
        self._shared = next(pool for pool in pools if pool.name == SHARED)
        specs = [self._spec(pool, name) for pool in pools for name in pool.names(pool.count)]
        super().__init__(CONSUMERS, specs, FLAGS)

    @receives(Resize)
    async def on_resize(self, message: Resize) -> None:
        """Add what is missing, or drain and remove the last ones.

        If one cannot be started (no descriptor or thread is left), those that run go on.
        """
        wanted = self._shared.names(message.count)
        present = tuple(name for name in self._children if name.rpartition("-")[0] == SHARED)
        try:
            for name in wanted:
                if name not in present:
                    await self.on_start_child(StartChild(spec=self._spec(self._shared, name)))
        except ChildStartFailed as error:
            events.warning("consumers_not_added", wanted=message.count, reason=str(error))
        for name in reversed(present):
            if name not in wanted:
                await self.on_terminate_child(TerminateChild(child=name))
                self.on_delete_child(DeleteChild(child=name))

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
