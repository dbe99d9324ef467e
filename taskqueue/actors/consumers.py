"""The consumers' supervisor: OTP's, and it can be told how many consumers there shall be."""

from functools import partial

from taskqueue.actors.consumer import CANCEL_GRACE_S, ConsumerActor, ConsumerSettings
from taskqueue.actors.messages import CONSUMERS
from taskqueue.actors.runtime import Request, receives
from taskqueue.app import App
from taskqueue.supervision import ChildSpec, Flags, Intensity, Supervisor
from taskqueue.supervision.calls import DeleteChild, StartChild, TerminateChild

FLAGS = Flags(intensity=Intensity(max_restarts=20, period_s=60))


class Resize(Request[None]):
    """Have `count` consumers from now on. Answered when the last one too many has drained."""

    count: int


class ConsumersSupervisor(Supervisor):
    """Watches over `consumer-1` to `consumer-<count>`.

    If it is restarted itself there are as many as at first again, as with everything that a
    supervisor was told later. Source: OTP `supervisor`.
    """

    def __init__(self, count: int, app: App, settings: ConsumerSettings) -> None:
        self._app = app
        self._settings = settings
        super().__init__(CONSUMERS, [self._spec(number) for number in _numbers(count)], FLAGS)

    @receives(Resize)
    async def on_resize(self, message: Resize) -> None:
        """Add what is missing, or drain and remove the last ones."""
        wanted = {self._spec(number).id: self._spec(number) for number in _numbers(message.count)}
        present = tuple(self._children)
        for name, spec in wanted.items():
            if name not in present:
                await self.on_start_child(StartChild(spec=spec))
        for name in reversed(present):
            if name not in wanted:
                await self.on_terminate_child(TerminateChild(child=name))
                self.on_delete_child(DeleteChild(child=name))

    def _spec(self, number: int) -> ChildSpec:
        name = f"consumer-{number}"
        return ChildSpec(
            id=name,
            start=partial(ConsumerActor.start_link, name, self._app, self._settings),
            # Its stop waits for its handlers.
            shutdown=self._settings.drain_s + 2 * CANCEL_GRACE_S,
        )


def _numbers(count: int) -> range:
    return range(1, count + 1)
