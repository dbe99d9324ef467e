"""Asking and telling: how messages reach an actor."""

from typing import Any, TypeAlias, TypeVar

from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime.cell import current_cell
from taskqueue.runtime.exits import ExitReason
from taskqueue.runtime.mailbox import Mail, SystemMail
from taskqueue.runtime.messages import Request
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.signals import StopRequest
from taskqueue.runtime.world import Address

R = TypeVar("R")

DEFAULT_ASK_TIMEOUT_S = 5.0  # OTP's gen_server:call


Target: TypeAlias = ActorRef | Address


def tell(target: Target, message: Any) -> None:
    """Send without waiting. Never fails: a message to an actor that does not run is dropped."""
    ref = target.whereis() if isinstance(target, Address) else target
    if ref is not None:
        ref.actor_inbox.put(Mail(message))


async def ask(
    target: Target, message: Request[R], *, timeout_s: float | None = DEFAULT_ASK_TIMEOUT_S
) -> R:
    """Send and wait for the answer, from a coroutine of any host.

    Args:
        target: the actor, or its address.
        message: its type determines the type of the answer.
        timeout_s: how long to wait, in seconds; None: no limit.

    Raises:
        ActorUnavailable: there is no such actor, or it ended before it answered.
        AskTimeout: no answer came in time. It may still do the work; its answer is dropped.
        RuntimeError: an actor asks itself, which could never be answered.
        Exception: an error that the handler declares.
    """
    reply = request(target, message)
    if timeout_s is None:
        return await reply
    return await reply.within(timeout_s, lambda: AskTimeout(str(target), timeout_s))


def request(target: Target, message: Request[R]) -> Reply[R]:
    """Send, and return the future of the answer. Requests arrive in the order of these calls.

    Raises:
        ActorUnavailable: there is no such actor.
        RuntimeError: an actor asks itself, which could never be answered.
    """
    ref = target.whereis() if isinstance(target, Address) else target
    if ref is None:
        raise ActorUnavailable(str(target))
    refuse_oneself(ref)
    reply: Reply[R] = Reply()
    ref.actor_inbox.put(Mail(message, reply))
    return reply


async def stop(ref: ActorRef, reason: ExitReason, *, timeout_s: float | None = None) -> ExitReason:
    """Stop an actor in an orderly way and wait for its end; return the exit reason.

    Raises:
        AskTimeout: it has not ended within `timeout_s` seconds.
        RuntimeError: an actor cannot stop itself this way; it raises `Exit` instead.
    """
    refuse_oneself(ref)
    ended = ref.ended()
    ref.actor_inbox.put(SystemMail(StopRequest(reason=reason)))
    if timeout_s is None:
        return await ended
    return await ended.within(timeout_s, lambda: AskTimeout(str(ref), timeout_s))


def refuse_oneself(ref: ActorRef) -> None:
    """Raise if an actor asks itself. A task of it may, because it does not block the mailbox."""
    cell = current_cell.get()
    if cell is not None and cell.ref is ref and cell.runs_in(cell.main):
        raise RuntimeError(f"{ref} asks itself")
