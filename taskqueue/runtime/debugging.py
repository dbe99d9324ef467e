"""Debugging calls to a living actor. Source: OTP `sys`.

As in OTP, they wait in the mailbox; `process_info` does not.
"""

from typing import TypeVar

from taskqueue.errors import AskTimeout
from taskqueue.runtime.asking import DEFAULT_ASK_TIMEOUT_S, refuse_oneself
from taskqueue.runtime.mailbox import SystemMail
from taskqueue.runtime.messages import Message, Request
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply

R = TypeVar("R")


class GetState(Request[object]):
    """Ask for the actor's state. Source: OTP `sys:get_state/1`."""


class GetLog(Request[tuple["Logged", ...]]):
    """Ask for the last messages the actor took. Source: OTP `sys:log/2`."""


class Suspend(Request[None]):
    """Hold ordinary messages back. Source: OTP `sys:suspend/1`."""


class Resume(Request[None]):
    """Serve ordinary messages again. Source: OTP `sys:resume/1`."""


class Logged(Message):
    """One entry of an actor's event log."""

    at: float  # seconds of the monotonic clock
    message: str  # the type of what it took


async def get_state(ref: ActorRef) -> object:
    """Return the actor's state, after all messages that were sent to it before."""
    return await ask_system(ref, GetState())


async def get_log(ref: ActorRef) -> tuple[Logged, ...]:
    """Return the last messages of the actor, oldest first; the last one is this call."""
    return await ask_system(ref, GetLog())


async def suspend(ref: ActorRef) -> None:
    """Make an actor hold back its ordinary messages; the parent's exit signal still ends it."""
    await ask_system(ref, Suspend())


async def resume(ref: ActorRef) -> None:
    """Resume a suspended actor."""
    await ask_system(ref, Resume())


async def ask_system(ref: ActorRef, message: Request[R]) -> R:
    """Ask with a message that is handled even while the actor is suspended."""
    refuse_oneself(ref)
    reply: Reply[R] = Reply()
    ref.actor_inbox.put(SystemMail(message, reply))
    limit_s = DEFAULT_ASK_TIMEOUT_S
    return await reply.within(limit_s, lambda: AskTimeout(str(ref), limit_s))
