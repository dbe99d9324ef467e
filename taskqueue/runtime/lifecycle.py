"""The lifecycle of an actor: start handshake, one message at a time, end with a reason."""

import asyncio
import contextlib
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pykka
from pykka import messages as pykka_messages

from taskqueue.events import events
from taskqueue.foreign.inspection import shape_of
from taskqueue.process.user_loop import LoopLost
from taskqueue.runtime.cancellation import is_torn_down
from taskqueue.runtime.cell import Cell, current_cell
from taskqueue.runtime.crash_reports import report_end
from taskqueue.runtime.deferred import Deferred
from taskqueue.runtime.exits import KILLED, NORMAL, Crash, Exit, ExitReason, Ignore, reason_of
from taskqueue.runtime.mailbox import Mail, Mailbox
from taskqueue.runtime.messages import Handlers, Handling
from taskqueue.runtime.owned import begin_task, release, release_without_loop
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply

# After this many messages without a pause, other actors of the loop get their turn.
TURN = 64

_PYKKA_MESSAGES = (
    pykka_messages._ActorStop,  # noqa: SLF001
    pykka_messages.ProxyCall,
    pykka_messages.ProxyGetAttr,
    pykka_messages.ProxySetAttr,
)


if TYPE_CHECKING:

    class _PykkaActor:
        """pykka's Actor for type checkers: its hooks may be async."""

        actor_urn: str
        actor_inbox: Any
        _actor_ref: Any

        def _handle_receive(self, message: Any) -> Any: ...

else:
    _PykkaActor = pykka.Actor


class HandlersChanged(Exception):
    """Raised to restart the message loop."""


class Lifecycle(_PykkaActor):
    """The life of an actor as an OTP process on a host's loop. Derive from `Actor` instead."""

    registered_name: str | None = None
    """Its unique name, from before `on_start` until its end."""

    label: str | None = None
    """Its name in logs and pictures, if it has no unique name."""

    trap_exit: ClassVar[bool] = False
    """Receive exit signals as messages. Only then does `on_stop` run on a shutdown."""

    dedicated_host: ClassVar[bool] = False
    """Run on a thread of its own, which ends with this actor and those it started there."""

    event_log_size: ClassVar[int] = 16
    """How many of the last messages `get_log` returns."""

    declared_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that are answers when `on_receive` or a proxied method raises them."""

    _handlers: Handlers
    _cell: Cell
    _exit_reason: ExitReason | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unmarked = Handling(object, cls.declared_errors, concurrently=False)
        cls._handlers = Handlers.of(cls, (cls._handle_receive, unmarked))

    def _embody(self, cell: Cell) -> None:
        """Do the work of pykka's `__init__`, before the `__init__` of the class runs."""
        self._cell = cell
        cell.history = deque(maxlen=self.event_log_size)
        self.actor_urn = uuid.uuid4().urn
        self.actor_inbox = cell.mailbox = Mailbox(cell.host, self._take_at_once)
        self.actor_stopped = threading.Event()
        self._actor_ref = cell.ref = ActorRef(self, cell)
        self._name_cell()

    def _name_cell(self) -> None:
        name = self.registered_name or self.label
        self._cell.label = name or f"{type(self).__name__}-{self.actor_urn[9:17]}"

    # --- hooks ------------------------------------------------------------------------------

    def on_start(self) -> Awaitable[None] | None:
        """Initialize. The start returns when this has finished."""

    def on_stop(self) -> Awaitable[None] | None:
        """Clean up; see `exit_reason`. Runs on a normal stop, a trapped exit and a crash.

        Does not run after a kill, an untrapped exit signal or a failed `on_start`: register
        resources that must always be closed with `own`. Source: OTP `terminate/2`.
        """

    def on_receive(self, message: Any) -> Any:
        """Handle a message without a handler: an ask is a crash, others are logged."""
        if self._cell.current is not None:
            raise TypeError(f"{type(self).__name__} does not understand {shape_of(message)}")
        events.warning("message_unexpected", actor=self._cell.label, message=shape_of(message))

    # --- from start to end ------------------------------------------------------------------

    async def _life(self) -> None:
        """Start, serve, end, and announce the end. Never raises."""
        cell = self._cell
        current_cell.set(cell)
        cell.context = copy_context()
        cell.main = asyncio.current_task(cell.host.loop)
        ignored: Ignore | None = None
        try:
            await self._serve()
        except asyncio.CancelledError as cancelled:
            reason = cell.pending_exit or Crash(cancelled)
        except Exit as exit_:
            reason = reason_of(exit_)
        except Ignore as ignore:
            reason, ignored = (Crash(ignore), None) if cell.born else (NORMAL, ignore)
        except BaseException as crash:  # the top of the runtime: a crash is an exit
            if is_torn_down(crash, cell.main):
                raise
            reason = Crash(crash)
        cell.ending = True
        if cell.born:
            reason = await self._stop_hook(reason)
        await release(cell)
        self._end(reason, ignored)

    async def _serve(self) -> NoReturn:
        cell = self._cell
        if cell.pending_exit is None:
            hook = self.on_start()
            if hook is not None:
                await hook
            if cell.be_born():
                cell.started.set(cell.ref)
                while True:
                    with contextlib.suppress(HandlersChanged):
                        await self._receive()
        raise asyncio.CancelledError

    async def _receive(self) -> NoReturn:
        """Handle one message after the other until one ends the actor."""
        cell, mailbox, handlers = self._cell, self._cell.mailbox, self._handlers
        history, served, message = cell.history, 0, None
        try:
            while True:
                if served == TURN:
                    cell.handled, served = cell.handled + served, 0
                    await asyncio.sleep(0)
                envelope = mailbox.take()
                cell.current = None if envelope is None else envelope.reply_to
                if cell.pending_exit is not None:  # a handler swallowed it, or it was abandoned
                    raise asyncio.CancelledError
                if envelope is None:
                    cell.handled, cell.is_idle, served = cell.handled + served, True, 0
                    await mailbox.waiter()
                    cell.is_idle = False
                    continue
                served += 1
                message = envelope.message
                history.append((monotonic(), type(message)))
                method, handling = handlers[type(message)]
                try:
                    if handling.concurrently:
                        _start_beside(cell, partial(method, self, message), handling.answers)
                        continue
                    answer = method(self, message)
                    if type(answer) is CoroutineType:
                        answer = await answer
                except handling.answers as error:
                    reply, cell.current = cell.current, None
                    if reply is None:
                        raise
                    reply.fail(error)
                    continue
                reply, cell.current = cell.current, None
                if reply is not None:
                    reply.set(answer)
        finally:
            cell.last_message = message

    def _take_at_once(self, mail: Mail) -> bool:
        """Begin to handle a message in the sender's turn, while the actor is idle.

        Return False if its handler is not concurrent, or would interrupt a step of the actor.
        """
        cell, message = self._cell, mail.message
        method, handling = self._handlers[type(message)]
        is_ending = cell.pending_exit is not None or cell.sealed
        if not handling.concurrently or is_ending or cell.is_on_stack():
            return False
        cell.handled += 1
        cell.history.append((monotonic(), type(message)))
        cell.current = mail.reply_to
        _start_beside(cell, partial(method, self, message), handling.answers)
        return True

    def _stop(self) -> NoReturn:
        """Stop in an orderly way, on pykka's stop message."""
        reply, self._cell.current = self._cell.current, None
        if reply is not None:
            self._cell.ended().when_done(reply.set)
        raise Exit(NORMAL)

    async def _stop_hook(self, reason: ExitReason) -> ExitReason:
        """Run `on_stop` unless the exit was untrapped; return the reason, which it may change."""
        cell = self._cell
        if cell.untrapped:
            return cell.pending_exit or reason
        self._exit_reason = reason
        try:
            hook = self.on_stop()
            if hook is not None:
                await hook
        except asyncio.CancelledError as cancelled:
            return cell.pending_exit or Crash(cancelled)
        except Exit as exit_:
            return reason_of(exit_)
        except BaseException as crash:  # the top of the runtime: a crash is an exit
            if is_torn_down(crash, cell.main):
                raise
            return Crash(crash)
        return reason

    def _end(self, reason: ExitReason, ignored: Ignore | None) -> None:
        cell = self._cell
        if cell.sealed:  # it was abandoned, and only now returns from what blocked it
            cell.refuse_open_asks(KILLED)
            return
        if cell.born:
            report_end(cell, reason)
        cell.finish(reason, ignored)

    # --- what pykka wants -------------------------------------------------------------------

    @staticmethod
    def _create_future() -> Reply[Any]:
        return Reply()

    @staticmethod
    def _create_actor_inbox() -> NoReturn:
        raise RuntimeError("start this actor with start_link, System.spawn or start")

    def _start_actor_loop(self) -> NoReturn:
        self._create_actor_inbox()

    def _handle_receive(self, message: Any) -> Any:
        """Let pykka see its own messages only: it asks each what it is, by `isinstance`."""
        if type(message) in _PYKKA_MESSAGES:
            return super()._handle_receive(message)
        return self.on_receive(message)


def end_without_loop(cell: Cell, lost: LoopLost) -> None:
    """End an actor as crashed because its host cannot run it anymore. On its host's thread."""
    cell.ending = True
    release_without_loop(cell)
    if not cell.sealed:
        if cell.born:
            report_end(cell, Crash(lost))
        cell.finish(Crash(lost))


def _start_beside(
    cell: Cell, work: Callable[[], Awaitable[Any]], declared: tuple[type[Exception], ...]
) -> None:
    """Let `work` answer the message being handled, while the actor handles others."""
    begin_task(cell, _answer(Deferred(cell), work, declared))


async def _answer(
    deferred: Deferred, work: Callable[[], Awaitable[Any]], declared: tuple[type[Exception], ...]
) -> None:
    try:
        deferred.reply(await work())
    except declared as error:
        deferred.fail(error)
