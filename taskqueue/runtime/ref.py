"""A reference to one incarnation of an actor."""

from typing import Any, Protocol

import pykka

from taskqueue.runtime.exits import ExitReason
from taskqueue.runtime.host import Host
from taskqueue.runtime.mailbox import Mail
from taskqueue.runtime.reply import Reply, refuse_to_block


class Incarnation(Protocol):
    """What a reference needs from its actor; implemented by `Cell`."""

    label: str
    host: Host
    exit_reason: ExitReason | None
    sealed: bool

    @property
    def is_doomed(self) -> bool:
        """Whether it has ended, or will end because of a signal."""
        ...

    def exit_by_caller(self, reason: ExitReason) -> None:
        """Receive an exit signal from the current actor."""
        ...

    def fail(self, reason: ExitReason) -> None:
        """End it, as a crash of one of its tasks does. On its host."""
        ...

    def kill(self) -> None:
        """End it."""
        ...

    def ended(self) -> Reply[ExitReason]:
        """Return a future of its exit reason."""
        ...


class ActorRef(pykka.ActorRef[Any]):
    """One incarnation of an actor.

    pykka's `ask`, `tell`, `stop` and `proxy` work on it from threads.
    """

    actor_inbox: Any  # a `Mailbox`, which takes `Mail` and not pykka's envelopes

    def __init__(self, actor: Any, cell: Incarnation) -> None:
        super().__init__(actor)
        self.cell = cell

    @property
    def label(self) -> str:
        """The actor's name, or its class and the start of its URN."""
        return self.cell.label

    @property
    def exit_reason(self) -> ExitReason | None:
        """Why it ended; None while it lives."""
        return self.cell.exit_reason

    def tell(self, message: Any) -> None:
        """Send a message. Never fails: a message to a dead actor is dropped, as in OTP."""
        self.actor_inbox.put(Mail(message))

    def ask(self, message: Any, *, block: bool = True, timeout: float | None = None) -> Any:
        """Ask from a thread, as in pykka: block for the answer, or return its future.

        Raises:
            ActorUnavailable: as `ask`; it is pykka's `ActorDeadError` as well.
            pykka.Timeout: no answer came within `timeout` seconds.
            RuntimeError: this thread runs a loop, and must not block.
        """
        if block:
            refuse_to_block()
        reply: Reply[Any] = Reply()
        self.actor_inbox.put(Mail(message, reply))
        return reply.get(timeout=timeout) if block else reply

    def is_alive(self) -> bool:
        """Return whether it lives. After a kill it does not, even if its end takes a moment;
        `ended` waits for that.
        """
        return not self.cell.is_doomed

    def exit(self, reason: ExitReason) -> None:
        """Send an exit signal from the current actor (or from outside). Source: OTP `exit/2`.

        The signal has taken effect when this returns: an actor that does not trap it is dead. If an
        actor ends itself this way, the call does not return.
        """
        self.cell.exit_by_caller(reason)

    def kill(self) -> None:
        """End it with `Killed`. Source: OTP `exit(Pid, kill)`."""
        self.cell.kill()

    def ended(self) -> Reply[ExitReason]:
        """Return a future of its exit reason, to be awaited or blocked on."""
        return self.cell.ended()

    def __str__(self) -> str:
        """Return the label."""
        return self.cell.label
