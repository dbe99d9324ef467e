"""An actor: a pykka actor that lives on a host's loop, with the life of an OTP process.

It starts with a handshake, handles one message at a time, ends with a reason, and a crash of it is
a crash: the asker is told, the actor is gone, its supervisor acts.
"""

import asyncio
import contextlib
import threading
import uuid
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from time import monotonic
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import pykka
from pykka import messages as pykka_messages

from taskqueue.errors import ActorUnavailable
from taskqueue.foreign.inspection import name_of, shape_of
from taskqueue.runtime.cell import Cell, Closer, current_cell, is_torn_down
from taskqueue.runtime.crash_reports import report_end
from taskqueue.runtime.exits import (
    KILLED,
    NOPROC,
    NORMAL,
    Crash,
    Exit,
    ExitReason,
    Ignore,
    reason_of,
)
from taskqueue.runtime.mailbox import Mailbox
from taskqueue.runtime.messages import (
    ExitSignal,
    GetLog,
    GetState,
    Handlers,
    Handling,
    Logged,
    ParentExit,
    Resume,
    StopRequest,
    Suspend,
    receives,
)
from taskqueue.runtime.ref import ActorRef, Address
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.safe_log import log
from taskqueue.runtime.tracing import AddTrace, RemoveTrace, Trace, TracedHandlers

# After so many messages without a pause the others on the loop get their turn.
TURN = 64


if TYPE_CHECKING:

    class _PykkaActor:
        """pykka's Actor as a type checker shall see it: with hooks that may be async."""

        actor_urn: str
        actor_inbox: Any
        _actor_ref: Any

        def _handle_receive(self, message: Any) -> Any: ...

else:
    _PykkaActor = pykka.Actor


class _HandlersChanged(Exception):
    """Raised to leave the loop over the messages and begin it again."""


class Actor(_PykkaActor):
    """Base of all actors here.

    A class says what it understands with `@receives`; what it does not mark goes to pykka's
    `on_receive`. Hooks and handlers may be plain or `async`; while one waits, the next message
    waits, unless it is marked `concurrently`.
    """

    registered_name: str | None = None
    """The unique name it carries from before `on_start` until its end."""

    label: str | None = None
    """What logs and pictures call it, if it carries no unique name."""

    trap_exit: ClassVar[bool] = False
    """Take exit signals as messages. Only who traps gets its `on_stop` when told to shut down."""

    dedicated_host: ClassVar[bool] = False
    """Live on a thread of its own, which ends with it and those it started there."""

    event_log_size: ClassVar[int] = 16
    """How many of the last messages `get_log` can tell of."""

    declared_errors: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors that are answers when `on_receive` or a proxied method raises them."""

    _handlers: Handlers
    _traces: tuple[Trace, ...] = ()
    _cell: Cell

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        unmarked = Handling(object, cls.declared_errors, concurrently=False)
        cls._handlers = Handlers.of(cls, (cls._handle_receive, unmarked))

    @classmethod
    def handles(cls, message: type) -> bool:
        """Tell whether a method is marked for messages of this type."""
        return message in cls._handlers

    def __init__(self) -> None:
        """Make the actor, on the thread of whoever starts it. `on_start` runs on its own."""

    def _embody(self, cell: Cell) -> None:
        """Do what pykka's `__init__` does, before that of the class can run or fail."""
        self._cell = cell
        cell.events = deque(maxlen=self.event_log_size)
        self.actor_urn = uuid.uuid4().urn
        self.actor_inbox = cell.mailbox = Mailbox(cell.host)
        self.actor_stopped = threading.Event()
        self._actor_ref = cell.ref = ActorRef(self, cell)
        self._name_cell()

    def _name_cell(self) -> None:
        name = self.registered_name or self.label
        self._cell.label = name or f"{type(self).__name__}-{self.actor_urn[9:17]}"

    # --- start ------------------------------------------------------------------------------

    @classmethod
    async def start_link(cls, *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor linked to the current one, which becomes its parent.

        Returns when `on_start` is done. Cancelled before, it kills what it began and frees its
        name. A failed start is told by its error alone, not by an exit signal as well.
        Source: OTP `gen_server:start_link`.

        Raises:
            StartFailed: `on_start` failed (its exception is chained), or the name is taken.
            Ignore: `on_start` said there is nothing to run.
        """
        parent = current_cell.get()
        if parent is None:
            raise RuntimeError("start_link is for actors; from outside use System.spawn")
        return await parent.system.launch(cls, parent, args, kwargs)

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor from a plain thread, in the default system; block until it runs.

        Raises:
            StartFailed: as `start_link`.
            RuntimeError: this thread runs a loop.
        """
        from taskqueue.runtime.system import default_system  # noqa: PLC0415 - a cycle

        return default_system().spawn_blocking(cls, *args, **kwargs)

    # --- hooks ------------------------------------------------------------------------------

    def on_start(self) -> Awaitable[None] | None:
        """Prepare; nobody is told that the actor runs before this is done."""

    def on_stop(self) -> Awaitable[None] | None:
        """Clean up; `exit_reason` says why. Runs on an orderly stop, a trapped exit and a crash.

        Not when killed, nor when an exit signal was not trapped, nor when `on_start` failed:
        what must be closed in any case belongs to `own`. Source: OTP `terminate/2`.
        """

    def get_state(self) -> object:
        """Return what `sys`-like tools show: by default the attributes of this class's making."""
        return {k: v for k, v in vars(self).items() if not k.startswith(("_", "actor_"))}

    # --- for the actor itself ---------------------------------------------------------------

    @property
    def ref(self) -> ActorRef:
        """The reference of this life."""
        return self._cell.ref

    @property
    def exit_reason(self) -> ExitReason | None:
        """Why it is ending, for `on_stop`."""
        return self._exit_reason

    _exit_reason: ExitReason | None = None

    def address(self, name: str) -> Address:
        """Return the address of whoever carries `name` in this actor's system."""
        return Address(self._cell.system, name)

    def join(self, group: str) -> None:
        """Join a group, until the end of this life."""
        self._cell.system.names.join(group, self.ref)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """Return who is in a group, in the order they joined."""
        return self._cell.system.names.members(group)

    def link(self, ref: ActorRef) -> None:
        """Share fates: when one ends, the other gets an exit signal.

        If it is dead, an actor that traps exits gets the exit signal `NoProc`.

        Raises:
            Exit: it is dead, and this actor does not trap exits: it ends with `NoProc`.
        """
        if self._cell.link(ref.cell):
            return
        if not self.trap_exit:
            raise Exit(NOPROC)
        self._cell.exit(NOPROC, ref.cell)

    def unlink(self, ref: ActorRef) -> bool:
        """Undo a link, and take out an exit signal of it that is already here.

        Tell whether there was such a signal.
        """
        return self._cell.unlink(ref.cell)

    def monitor(self, ref: ActorRef) -> int:
        """Watch an actor: exactly one `Down` will come, with the number returned here.

        Its reason is `NoProc` if the actor had ended before.
        """
        return self._cell.monitor(ref.cell)

    def demonitor(self, monitor: int, ref: ActorRef) -> None:
        """Stop watching; a `Down` that is already here is taken out."""
        self._cell.demonitor(monitor, ref.cell)

    def defer(self) -> "Deferred":
        """Take the ask being handled out, to be answered later. Source: OTP `gen_server:reply`.

        Not for a handler that runs `concurrently`: the ask being handled is another by then.
        """
        return Deferred(self._cell)

    def start_task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a coroutine that is part of this actor: its crash is the actor's, its end too.

        Raises:
            ActorUnavailable: the actor has ended, so nobody would end the work. It has not begun.
        """
        cell = self._cell
        if cell.sealed:
            work.close()
            raise ActorUnavailable(cell.label, cell.exit_reason)
        task = cell.host.create_task(self._guard(work))
        if cell.tasks is None:
            cell.tasks = set()
        cell.tasks.add(task)
        task.add_done_callback(cell.tasks.discard)
        task.add_done_callback(lambda _: work.close())  # if it was cancelled before its first step
        return task

    def own(self, closer: Closer) -> None:
        """Have `closer` called (and awaited) when this actor ends, however it ends, last first.

        As a port of Erlang: closed with its owner, killed or not, before anyone hears of the end.
        """
        if self._cell.owned is None:
            self._cell.owned = []
        self._cell.owned.append(closer)

    # --- system messages --------------------------------------------------------------------

    @receives(ParentExit)
    def _on_parent_exit(self, message: ParentExit) -> NoReturn:
        raise Exit(message.reason)

    @receives(StopRequest)
    def _on_stop_request(self, message: StopRequest) -> NoReturn:
        raise Exit(message.reason)

    @receives(ExitSignal)
    def on_exit_signal(self, message: ExitSignal) -> Awaitable[None] | None:
        """Handle a trapped exit signal of somebody other than the parent. Default: ignore it."""

    @receives(Suspend)
    def _on_suspend(self, _: Suspend) -> None:
        self._cell.mailbox.suspend()

    @receives(Resume)
    def _on_resume(self, _: Resume) -> None:
        self._cell.mailbox.resume()

    @receives(GetState, answers=(Exception,))  # who debugs must not do harm
    def _on_get_state(self, _: GetState) -> object:
        return self.get_state()

    @receives(AddTrace)
    def _on_add_trace(self, message: AddTrace) -> NoReturn:
        self._trace((*self._traces, message.trace))

    @receives(RemoveTrace)
    def _on_remove_trace(self, message: RemoveTrace) -> NoReturn:
        self._trace(tuple(each for each in self._traces if each is not message.trace))

    def _trace(self, traces: tuple[Trace, ...]) -> NoReturn:
        """Have the loop begin again with other handlers, so that it need not ask each time."""
        plain = type(self)._handlers  # noqa: SLF001
        self._traces = traces
        self._handlers = TracedHandlers(plain, traces) if traces else plain
        self.defer().reply()
        raise _HandlersChanged

    @receives(GetLog)
    def _on_get_log(self, _: GetLog) -> tuple[Logged, ...]:
        return tuple(Logged(at=at, message=name_of(kind)) for at, kind in self._cell.events)

    # --- the life ---------------------------------------------------------------------------

    async def _life(self) -> None:
        """Be born, serve, end, and tell everyone. Never raises."""
        cell = self._cell
        current_cell.set(cell)
        cell.main = asyncio.current_task()
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
        await self._release()
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
                    with contextlib.suppress(_HandlersChanged):
                        await self._receive()
        raise asyncio.CancelledError

    async def _receive(self) -> NoReturn:
        """Take one message after the other until one ends the actor."""
        cell, mailbox, handlers = self._cell, self._cell.mailbox, self._handlers
        events, served, message = cell.events, 0, None
        try:
            while True:
                if served == TURN:
                    cell.handled += served
                    served = 0
                    await asyncio.sleep(0)
                envelope = mailbox.take()
                cell.current = None if envelope is None else envelope.reply_to
                if cell.pending_exit is not None:  # a handler swallowed it, or we were abandoned
                    raise asyncio.CancelledError
                if envelope is None:
                    cell.handled += served
                    served = 0
                    cell.is_idle = True
                    await mailbox.waiter()
                    cell.is_idle = False
                    continue
                served += 1
                message = envelope.message
                events.append((monotonic(), type(message)))
                method, handling = handlers[type(message)]
                try:
                    if handling.concurrently:
                        self._handle_concurrently(method, message, handling.answers)
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

    def _handle_concurrently(
        self,
        method: Callable[..., Any],
        message: Any,
        answers: tuple[type[Exception], ...],
    ) -> None:
        self.start_task(self._run_concurrently(self.defer(), method, message, answers))

    async def _run_concurrently(
        self,
        deferred: "Deferred",
        method: Callable[..., Any],
        message: Any,
        answers: tuple[type[Exception], ...],
    ) -> None:
        try:
            deferred.reply(await method(self, message))
        except answers as error:
            deferred.fail(error)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; make its crash the actor's. Nothing leaves the task: asyncio would let a
        SystemExit out of the loop and take the whole host down.
        """
        task = asyncio.current_task()
        try:
            await work
        except asyncio.CancelledError as cancelled:
            if task is not None and task.cancelling():
                raise
            self._cell.fail(Crash(cancelled))  # nobody told it to: what it waited for was cancelled
        except Exit as exit_:
            self._cell.fail(reason_of(exit_))
        except BaseException as crash:  # the top of the runtime: a crash is an exit
            if is_torn_down(crash, task):
                raise
            self._cell.fail(Crash(crash))

    def _stop(self) -> NoReturn:
        """End in an orderly way, on pykka's own stop message."""
        reply, self._cell.current = self._cell.current, None
        if reply is not None:
            self._cell.ended().when_done(reply.set)
        raise Exit(NORMAL)

    async def _stop_hook(self, reason: ExitReason) -> ExitReason:
        """Run `on_stop` unless the end is untrapped; return the reason, which it may change."""
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

    async def _release(self) -> None:
        """Cancel this actor's tasks and close what it owns. A kill meanwhile does not stop it."""
        cell = self._cell
        tasks = tuple(cell.tasks or ())
        for task in tasks:
            task.cancel()
        if tasks:
            await _undisturbed(asyncio.wait(tasks, timeout=cell.system.kill_grace_s))
        while cell.owned:
            await _undisturbed(_close(cell, cell.owned.pop()))

    def _end(self, reason: ExitReason, ignored: Ignore | None) -> None:
        cell = self._cell
        if cell.sealed:  # it was abandoned, and comes back now
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

    def on_receive(self, message: Any) -> Any:
        """Handle a message that no handler is marked for. An ask of that kind is a crash."""
        if self._cell.current is not None:
            raise TypeError(f"{type(self).__name__} does not understand {shape_of(message)}")
        log.warning("message_unexpected", actor=self._cell.label, message=shape_of(message))


Actor.__init_subclass__()  # the base can be started, too

_PYKKA_MESSAGES = (
    pykka_messages._ActorStop,  # noqa: SLF001
    pykka_messages.ProxyCall,
    pykka_messages.ProxyGetAttr,
    pykka_messages.ProxySetAttr,
)


class Deferred:
    """An ask that is answered later. If the actor ends first, the asker is told so."""

    __slots__ = ("_cell", "_reply")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self._reply, cell.current = cell.current, None
        if self._reply is not None:
            if cell.open_replies is None:
                cell.open_replies = set()
            cell.open_replies.add(self._reply)

    def reply(self, answer: Any = None) -> None:
        """Answer."""
        reply = self._take()
        if reply is not None:
            reply.set(answer)

    def fail(self, error: Exception) -> None:
        """Answer with a declared error. Told instead of asked, it is a crash."""
        reply = self._take()
        if reply is None:
            raise error
        reply.fail(error)

    def _take(self) -> Reply[Any] | None:
        reply, self._reply = self._reply, None
        if reply is not None and self._cell.open_replies is not None:
            self._cell.open_replies.discard(reply)
        return reply


async def _close(cell: Cell, closer: Closer) -> None:
    """Close one thing that an actor owns. The end goes on if that fails: it is reported."""
    task = asyncio.current_task()
    try:
        closing = closer()
        if closing is not None:
            await closing
    except BaseException as error:  # as in `_guard`, nothing may leave the task
        if is_torn_down(error, task):
            raise
        log.error("actor_close_failed", actor=cell.label, exc_info=error)


async def _undisturbed(work: Awaitable[object]) -> None:
    """Await `work` to its end, even if we are cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
    task.result()
