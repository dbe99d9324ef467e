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
from taskqueue.runtime import receives
from taskqueue.structs import Struct
from taskqueue.supervision import (
    ChildSpec,
    ChildStartFailed,
    Flags,
    Intensity,
    Supervisor,
)
from taskqueue.supervision.calls import DeleteChild, StartChild, TerminateChild

FLAGS = Flags(intensity=Intensity(max_restarts=20, period_s=60))

SHARED = "consumer"
"""The pool for every queue that has no consumers of its own."""


class Pool(Struct):
    """Some consumers that serve the same queues."""

    count: int
    queues: tuple[str, ...]
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
        settings = replace(self._settings, queues=pool.queues)
        return ChildSpec(
            id=name,
            start=partial(ConsumerActor.start_link, name, self._app, settings, self._roster),
            # Its stop waits for its handlers.
            shutdown=self._settings.drain_s + 2 * CANCEL_GRACE_S,
        )
