"""References and addresses: how one actor is reached by others.

A reference names one life. An address names a role: it is looked up at each ask, so it survives
the restart of whoever plays it.
"""

from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import pykka

from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime.cell import Cell, current_cell
from taskqueue.runtime.exits import ExitReason
from taskqueue.runtime.mailbox import Mail, SystemMail
from taskqueue.runtime.messages import (
    GetLog,
    GetState,
    Logged,
    Request,
    Resume,
    StopRequest,
    Suspend,
)
from taskqueue.runtime.reply import Reply, refuse_to_block

if TYPE_CHECKING:
    from taskqueue.runtime.system import System

R = TypeVar("R")

DEFAULT_ASK_TIMEOUT_S = 5.0  # OTP's gen_server:call


class ActorRef(pykka.ActorRef[Any]):
    """One life of one actor. pykka's `ask`, `tell`, `stop` and `proxy` work on it from threads."""

    actor_inbox: Any  # a `Mailbox`, which takes `Mail` and not pykka's envelopes

    def __init__(self, actor: Any, cell: Cell) -> None:
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
        """Put a message into the mailbox. Never fails: a dead actor's is dropped, as in OTP."""
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
        """Tell whether it lives. It does not once it was killed, by whomever, though it may take a
        moment to end; `ended` waits for that.
        """
        return not self.cell.is_doomed

    def exit(self, reason: ExitReason) -> None:
        """Send an exit signal from the current actor (or from outside). Source: OTP `exit/2`.

        It has taken effect when this returns: an actor that does not trap it is dead. An actor that
        ends itself so does not return from it.
        """
        self.cell.exit(reason, current_cell.get())

    def kill(self) -> None:
        """End it with `Killed`. Source: OTP `exit(Pid, kill)`."""
        self.cell.kill()

    def ended(self) -> Reply[ExitReason]:
        """Return a future of its exit reason, to be awaited or blocked on."""
        return self.cell.ended()

    def __str__(self) -> str:
        """Return the label."""
        return self.cell.label


class Address:
    """Whoever carries `name` when it is asked."""

    __slots__ = ("name", "system")

    def __init__(self, system: "System", name: str) -> None:
        self.system = system
        self.name = name

    def whereis(self) -> ActorRef | None:
        """Return who carries the name now, None if nobody does."""
        return self.system.names.whereis(self.name)

    def __str__(self) -> str:
        """Return the name."""
        return self.name


Target: TypeAlias = ActorRef | Address


def tell(target: Target, message: Any) -> None:
    """Send without waiting. Never fails; nobody there means nobody hears."""
    ref = target.whereis() if isinstance(target, Address) else target
    if ref is not None:
        ref.actor_inbox.put(Mail(message))


async def ask(
    target: Target, message: Request[R], *, timeout_s: float | None = DEFAULT_ASK_TIMEOUT_S
) -> R:
    """Send and wait for the answer, from a coroutine of any host.

    Args:
        target: whom.
        message: what; its type says what the answer is.
        timeout_s: how long to wait, in seconds; None: as long as it takes.

    Raises:
        ActorUnavailable: nobody is there, or it ended before it answered.
        AskTimeout: no answer came in time. It may still do the work; its answer is dropped.
        RuntimeError: an actor asks itself, which could never be answered.
        Exception: an error that the handler declares.
    """
    reply = send(target, message)
    if timeout_s is None:
        return await reply
    return await reply.within(timeout_s, lambda: AskTimeout(str(target), timeout_s))


def send(target: Target, message: Request[R]) -> Reply[R]:
    """Send, and return the future of the answer: what is sent now arrives in this order.

    Raises:
        ActorUnavailable: nobody is there.
        RuntimeError: an actor asks itself, which could never be answered.
    """
    ref = target.whereis() if isinstance(target, Address) else target
    if ref is None:
        raise ActorUnavailable(str(target))
    _refuse_oneself(ref)
    reply: Reply[R] = Reply()
    ref.actor_inbox.put(Mail(message, reply))
    return reply


def _refuse_oneself(ref: ActorRef) -> None:
    """Raise if an actor waits for itself. A task of it may: it does not keep the mailbox."""
    if ref.cell is current_cell.get() and ref.cell.runs_in(ref.cell.main):
        raise RuntimeError(f"{ref} asks itself")


# --- for people who debug (OTP's sys) ---------------------------------------------------------

# As in OTP these wait for their turn; `process_info` does not.


async def get_state(ref: ActorRef) -> object:
    """Return what the actor says its state is, after what was sent to it before."""
    return await ask_system(ref, GetState())


async def get_log(ref: ActorRef) -> tuple[Logged, ...]:
    """Return the last messages the actor took, oldest first; this question is the last."""
    return await ask_system(ref, GetLog())


async def suspend(ref: ActorRef) -> None:
    """Make an actor hold back its ordinary messages; the parent's exit signal still ends it."""
    await ask_system(ref, Suspend())


async def resume(ref: ActorRef) -> None:
    """Make a suspended actor go on."""
    await ask_system(ref, Resume())


async def stop(ref: ActorRef, reason: ExitReason, *, timeout_s: float | None = None) -> ExitReason:
    """Ask for an orderly end and wait for it; return the exit reason.

    Raises:
        AskTimeout: it has not ended within `timeout_s` seconds.
        RuntimeError: an actor stops itself so; it raises `Exit` instead.
    """
    _refuse_oneself(ref)
    ended = ref.ended()
    ref.cell.mailbox.put(SystemMail(StopRequest(reason=reason)))
    if timeout_s is None:
        return await ended
    return await ended.within(timeout_s, lambda: AskTimeout(str(ref), timeout_s))


async def ask_system(ref: ActorRef, message: Request[R]) -> R:
    """Ask with a message that is taken even while the actor is suspended."""
    _refuse_oneself(ref)
    reply: Reply[R] = Reply()
    ref.cell.mailbox.put(SystemMail(message, reply))
    limit_s = DEFAULT_ASK_TIMEOUT_S
    return await reply.within(limit_s, lambda: AskTimeout(str(ref), limit_s))
