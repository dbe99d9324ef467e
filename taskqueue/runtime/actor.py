"""The base class of actors."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, NoReturn

from taskqueue.foreign.inspection import name_of
from taskqueue.runtime.cell import Closer, cell_of, current_cell
from taskqueue.runtime.debugging import GetLog, GetState, Logged, Resume, Suspend
from taskqueue.runtime.deferred import Deferred
from taskqueue.runtime.exits import NOPROC, Exit, ExitReason
from taskqueue.runtime.lifecycle import HandlersChanged, Lifecycle
from taskqueue.runtime.messages import receives
from taskqueue.runtime.owned import begin_task, start_task
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.signals import ExitSignal, ParentExit, StopRequest
from taskqueue.runtime.starting import launch
from taskqueue.runtime.system import default_system
from taskqueue.runtime.tracing import AddTrace, RemoveTrace, Trace, TracedHandlers
from taskqueue.runtime.world import Address


class Actor(Lifecycle):
    """Base of all actors.

    A class declares the messages it handles with `@receives`; all others go to pykka's
    `on_receive`. Hooks and handlers may be plain or `async`; while one waits, the next message
    waits, unless it is marked `concurrently`.
    """

    _traces: tuple[Trace, ...] = ()

    def __init__(self) -> None:
        """Create the actor, on the thread that starts it. `on_start` runs on the actor's host."""

    @classmethod
    def handles(cls, message: type) -> bool:
        """Return whether a method is marked for messages of this type."""
        return message in cls._handlers

    # --- start ------------------------------------------------------------------------------

    @classmethod
    async def start_link(cls, *args: Any, **kwargs: Any) -> ActorRef:
        """Start an actor linked to the current one, which becomes its parent.

        Returns when `on_start` has finished. If it is cancelled before that, the new actor is
        killed and its name freed. A failed start raises its error and sends no exit signal.
        Source: OTP `gen_server:start_link`.

        Raises:
            StartFailed: `on_start` failed (its exception is chained), or the name is taken.
            Ignore: `on_start` found nothing to run.
        """
        parent = current_cell.get()
        if parent is None:
            raise RuntimeError("start_link is for actors; from outside use System.spawn")
        return await launch(parent.system, cls, parent, args, kwargs)

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> Any:
        """Start an actor from a plain thread, in the default system; block until it runs.

        Raises:
            StartFailed: as `start_link`.
            RuntimeError: this thread runs a loop.
        """
        return default_system().spawn_blocking(cls, *args, **kwargs)

    # --- for the actor itself ---------------------------------------------------------------

    @property
    def ref(self) -> ActorRef:
        """The reference to this incarnation."""
        return self._cell.ref

    @property
    def exit_reason(self) -> ExitReason | None:
        """Its exit reason, for use in `on_stop`."""
        return self._exit_reason

    def get_state(self) -> object:
        """Return what the function `get_state` shows: by default the attributes of this class."""
        return {k: v for k, v in vars(self).items() if not k.startswith(("_", "actor_"))}

    def address(self, name: str) -> Address:
        """Return the address of `name` in this actor's system."""
        return self._cell.system.address(name)

    def join(self, group: str) -> None:
        """Join a group until this actor ends."""
        self._cell.system.names.join(group, self.ref)

    def members(self, group: str) -> tuple[ActorRef, ...]:
        """Return the members of a group, in the order they joined."""
        return self._cell.system.names.members(group)

    def link(self, ref: ActorRef) -> None:
        """Link another actor: when one of the two ends, the other gets an exit signal.

        If it is dead, an actor that traps exits gets the exit signal `NoProc`.

        Raises:
            Exit: it is dead, and this actor does not trap exits: it ends with `NoProc`.
        """
        cell, other = self._cell, cell_of(ref)
        if cell.link(other):
            return
        if not self.trap_exit:
            raise Exit(NOPROC)
        cell.exit(NOPROC, other)

    def adopt(self, ref: ActorRef) -> bool:
        """Link an actor that was started elsewhere; become its parent if it has none.

        Return False if it is dead or this actor itself. An own child stays unchanged.
        """
        cell, other = self._cell, cell_of(ref)
        if other.parent is cell or other is cell:
            return other is not cell
        if other.parent is None:
            other.parent = cell
        return cell.link(other)

    def unlink(self, ref: ActorRef) -> bool:
        """Remove a link, and an exit signal of it that has already arrived.

        Return whether there was such a signal.
        """
        return self._cell.unlink(cell_of(ref))

    def monitor(self, ref: ActorRef) -> int:
        """Monitor an actor: exactly one `Down` will arrive, with the number returned here.

        Its reason is `NoProc` if the actor had ended before.
        """
        return self._cell.monitor(cell_of(ref))

    def demonitor(self, monitor: int, ref: ActorRef) -> None:
        """Remove a monitor, and its `Down` if that has already arrived."""
        self._cell.demonitor(monitor, cell_of(ref))

    def defer(self) -> Deferred:
        """Answer the current ask later. Source: OTP `gen_server:reply`.

        Not for a handler that runs `concurrently`, because the current ask may be a later one.
        """
        return Deferred(self._cell)

    def start_task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a coroutine as part of this actor: its crash ends the actor, and the reverse.

        Raises:
            ActorUnavailable: the actor has ended; the coroutine was not started.
        """
        return start_task(self._cell, work)

    def begin_task(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run a coroutine as `start_task` does, and its first step before this returns.

        Raises:
            ActorUnavailable: as `start_task`.
        """
        return begin_task(self._cell, work)

    def own(self, closer: Closer) -> None:
        """Call (and await) `closer` when this actor ends, even if killed; last registered first.

        Like a port in Erlang, it is closed before links and monitors are notified of the end.
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
        """Handle a trapped exit signal, except that of the parent. Default: ignore it."""

    @receives(Suspend)
    def _on_suspend(self, _: Suspend) -> None:
        self._cell.mailbox.suspend()

    @receives(Resume)
    def _on_resume(self, _: Resume) -> None:
        self._cell.mailbox.resume()

    @receives(GetState, answers=(Exception,))  # a debugger must do no harm
    def _on_get_state(self, _: GetState) -> object:
        return self.get_state()

    @receives(AddTrace)
    def _on_add_trace(self, message: AddTrace) -> NoReturn:
        self._trace((*self._traces, message.trace))

    @receives(RemoveTrace)
    def _on_remove_trace(self, message: RemoveTrace) -> NoReturn:
        self._trace(tuple(each for each in self._traces if each is not message.trace))

    def _trace(self, traces: tuple[Trace, ...]) -> NoReturn:
        """Restart the message loop with other handlers, so that no message pays for a check."""
        plain = type(self)._handlers  # noqa: SLF001
        self._traces = traces
        self._handlers = TracedHandlers(plain, traces) if traces else plain
        self.defer().reply()
        raise HandlersChanged

    @receives(GetLog)
    def _on_get_log(self, _: GetLog) -> tuple[Logged, ...]:
        return tuple(Logged(at=at, message=name_of(kind)) for at, kind in self._cell.history)
