"""Signals: notifications of the end of other actors, and requests to end."""

from taskqueue.runtime.exits import ExitReason
from taskqueue.runtime.messages import Message
from taskqueue.runtime.ref import ActorRef


class ExitSignal(Message):
    """A linked actor ended, or an actor other than the parent sent an exit signal."""

    sender: ActorRef | None
    reason: ExitReason


class Down(Message):
    """A monitored actor ended. `monitor` is what `Actor.monitor` returned."""

    monitor: int
    ref: ActorRef
    reason: ExitReason


class ParentExit(Message):
    """The parent told a trapping actor to end, or ended itself. Source: OTP `gen_server`."""

    reason: ExitReason


class StopRequest(Message):
    """A request for an orderly end with this reason. Source: OTP `gen_server:stop/3`."""

    reason: ExitReason
