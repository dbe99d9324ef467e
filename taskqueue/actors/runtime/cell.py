"""A cell: what the runtime keeps about one actor, and how its end is told.

Order at the end, which is the correctness: the name is freed; the mailbox is closed and what waits
in it is answered; links and monitors are told. Source: OTP, signals; see `docs/otp.md`.
"""

import asyncio
import itertools
import weakref
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pykka
import structlog
from pykka._envelope import Envelope

from taskqueue.actors.runtime.exits import (
    KILLED,
    NOPROC,
    Crash,
    ExitReason,
    Ignore,
    Killed,
    Normal,
)
from taskqueue.actors.runtime.host import Host
from taskqueue.actors.runtime.mailbox import Mailbox
from taskqueue.actors.runtime.mailbox import Message as Mail
from taskqueue.actors.runtime.messages import Down, ExitSignal, ParentExit
from taskqueue.actors.runtime.reply import Reply
from taskqueue.errors import ActorUnavailable, StartFailed

if TYPE_CHECKING:
    from taskqueue.actors.runtime.ref import ActorRef
    from taskqueue.actors.runtime.system import System

log = structlog.get_logger()

Closer: TypeAlias = Callable[[], Awaitable[object] | None]

current_cell: ContextVar["Cell | None"] = ContextVar("current_cell", default=None)
_monitor_ids = itertools.count(1)


class Cell:
    """One life of one actor. Whatever several threads may touch is guarded by `system.lock`."""

    __slots__ = (
        "__weakref__",
        "begun",
        "born",
        "current",
        "exit_reason",
        "host",
        "label",
        "links",
        "mailbox",
        "main",
        "monitors",
        "open_replies",
        "owned",
        "parent",
        "pending_exit",
        "ref",
        "sealed",
        "started",
        "system",
        "tasks",
        "trap_exit",
        "untrapped",
        "watchers",
    )

    def __init__(
        self, system: "System", host: Host, parent: "Cell | None", *, trap_exit: bool
    ) -> None:
        self.system = system
        self.host = host
        self.parent = parent
        self.trap_exit = trap_exit
        self.label = ""
        self.mailbox: Mailbox
        self.ref: ActorRef
        self.started: Reply[ActorRef] = Reply()  # the answer of the start handshake
        self.born = False  # it was or will be answered with the reference
        self.main: asyncio.Task[None] | None = None
        self.current: pykka.Future[Any] | None = None  # the ask being handled
        self.open_replies: set[pykka.Future[Any]] | None = None  # asks taken out by `defer`
        self.tasks: set[asyncio.Task[None]] | None = None
        self.owned: list[Closer] | None = None
        self.begun: list[Cell] | None = None  # whom it starts, while somebody wants to know
        self.links: set[Cell] | None = None
        self.monitors: dict[int, Cell] | None = None
        self.watchers: list[Reply[ExitReason]] | None = None
        self.pending_exit: ExitReason | None = None  # why `main` was cancelled
        self.untrapped = False  # it was cancelled by a signal, so no stop hook runs
        self.sealed = False  # somebody has begun to tell of the end
        self.exit_reason: ExitReason | None = None  # set once the end may be heard of

    def be_born(self) -> bool:
        """Decide the start handshake for the actor; False if it was abandoned before."""
        with self.system.lock:
            self.born = not self.sealed
            return self.born

    # --- signals ----------------------------------------------------------------------------

    def exit(self, reason: ExitReason, sender: "Cell | None") -> None:
        """Take an exit signal. Source: OTP `exit/2`.

        Trapping: the parent's ends the actor with that reason, anybody else's is a message. Not
        trapping: the actor ends at once without a stop hook, except that `Normal` does nothing
        unless it is the actor's own.
        """
        if not self.trap_exit:
            if not isinstance(reason, Normal) or sender is self:
                self._interrupt(reason)
        elif sender is self.parent:
            self.mailbox.put_system(Envelope(ParentExit(reason=reason)))
        else:
            ref = sender.ref if sender is not None else None
            self.mailbox.put(Envelope(ExitSignal(sender=ref, reason=reason)))

    def kill(self) -> None:
        """End the actor with `Killed`, trapping or not, without its stop hook.

        An actor that is stuck in a blocking call, or swallows its cancellation, is abandoned
        after the system's `kill_grace_s`: everyone is told that it ended, and nobody will hear
        from it again.
        """
        self._interrupt(KILLED)
        main, grace_s, me = self.system.main, self.system.kill_grace_s, weakref.ref(self)
        main.call(lambda: main.loop.call_later(grace_s, _abandon, me))

    def fail(self, reason: ExitReason) -> None:
        """End the actor because a task of its own says so. On its host."""
        if self.pending_exit is None:
            self.pending_exit = reason
            self._cancel_main()

    def _interrupt(self, reason: ExitReason) -> None:
        """Cancel whatever the actor does, from any thread; it ends with `reason`."""
        self.host.call(partial(self._interrupt_here, reason))

    def _interrupt_here(self, reason: ExitReason) -> None:
        self.untrapped = True
        if self.pending_exit is None or isinstance(reason, Killed):
            self.pending_exit = reason
        self._cancel_main()

    def _cancel_main(self) -> None:
        if self.main is not None:
            self.main.cancel()

    def abandon(self) -> None:
        """Tell everyone that the actor ended, though it did not notice. From any thread."""
        self.pending_exit, self.untrapped = KILLED, True  # so that it stops if it ever comes back
        if self.finish(KILLED):
            log.error("actor_abandoned", actor=self.label, grace_s=self.system.kill_grace_s)

    # --- links and monitors -----------------------------------------------------------------

    def link(self, other: "Cell") -> ExitReason | None:
        """Link both ways, at most once; return the other's exit reason if it is dead."""
        with self.system.lock:
            if other.exit_reason is not None:
                return other.exit_reason
            self.links = self.links or set()
            other.links = other.links or set()
            self.links.add(other)
            other.links.add(self)
            return None

    def unlink(self, other: "Cell") -> None:
        """Undo a link; no exit signal of it arrives later. On the host of this actor."""
        self._cut(other)

        def is_from_other(message: object) -> bool:
            return isinstance(message, ExitSignal) and message.sender is other.ref

        self.mailbox.discard(is_from_other)

    def _cut(self, other: "Cell") -> bool:
        """Remove a link; tell whether there was one."""
        with self.system.lock:
            if other.links is not None:
                other.links.discard(self)
            linked = self.links is not None and other in self.links
            if self.links is not None:
                self.links.discard(other)
            return linked

    def _link_broke(self, other: "Cell", reason: ExitReason) -> None:
        """Take the exit signal of a link, unless it was undone while the signal travelled."""
        if self._cut(other):
            self.exit(reason, other)

    def monitor(self, other: "Cell") -> int:
        """Watch `other`: exactly one `Down` comes, at once and with `NoProc` if it is dead."""
        monitor = next(_monitor_ids)
        with self.system.lock:
            if other.exit_reason is None:
                other.monitors = other.monitors or {}
                other.monitors[monitor] = self
                return monitor
        self._down(monitor, other, NOPROC)
        return monitor

    def demonitor(self, monitor: int, other: "Cell") -> None:
        """Stop watching; a `Down` that is already here is taken out."""
        with self.system.lock:
            if other.monitors is not None:
                other.monitors.pop(monitor, None)
        self.mailbox.discard(lambda m: isinstance(m, Down) and m.monitor == monitor)

    def ended(self) -> Reply[ExitReason]:
        """Return a future of the exit reason: a monitor that is awaited instead of received."""
        watcher: Reply[ExitReason] = Reply()
        with self.system.lock:
            if self.exit_reason is None:
                self.watchers = self.watchers or []
                self.watchers.append(watcher)
                return watcher
        watcher.set(self.exit_reason)
        return watcher

    def _down(self, monitor: int, other: "Cell", reason: ExitReason) -> None:
        self.mailbox.put(Envelope(Down(monitor=monitor, ref=other.ref, reason=reason)))

    # --- the end ----------------------------------------------------------------------------

    def finish(self, reason: ExitReason, ignored: Ignore | None = None) -> bool:
        """Tell everyone of the end; False if that has been done. From any thread."""
        with self.system.lock:
            if self.sealed:
                return False
            self.sealed = True
        self.system.names.release(self.ref)
        self._close_mailbox(reason)
        pykka.ActorRegistry.unregister(self.ref)
        self.ref.actor_stopped.set()
        if self.parent is not None and not self.born:
            self.parent._cut(self)  # noqa: SLF001 - a failed start is told by its answer alone
        with self.system.lock:
            self.exit_reason = reason
            links, self.links = self.links or set(), None
            monitors, self.monitors = self.monitors or {}, None
            watchers, self.watchers = self.watchers or [], None
            self.system.forget(self)
            # Inside, so that a `demonitor` finds either the monitor or its Down.
            for monitor, observer in monitors.items():
                observer._down(monitor, self, reason)  # noqa: SLF001
        for peer in links:
            peer.host.call(partial(peer._link_broke, self, reason))  # noqa: SLF001
        for watcher in watchers:
            watcher.set(reason)
        if not self.born:
            self.started.fail(ignored or self._start_failed(reason))
        self.host.leave()
        return True

    def refuse_open_asks(self, reason: ExitReason) -> None:
        """Answer the asks that the actor took but did not answer."""
        for reply in (self.current, *(self.open_replies or ())):
            self._refuse(reply, reason)
        self.open_replies = None

    def _close_mailbox(self, reason: ExitReason) -> None:
        def refuse(envelope: Mail) -> None:
            self._refuse(envelope.reply_to, reason)

        self.mailbox.close(refuse)
        self.refuse_open_asks(reason)

    def _refuse(self, reply: "pykka.Future[Any] | None", reason: ExitReason) -> None:
        if reply is not None:
            # One for each asker: an exception collects the traceback of everyone who raises it.
            error = Ended(self.label, reason)
            error.__cause__ = _exception_of(reason)
            reply.set_exception((Ended, error, None))

    def _start_failed(self, reason: ExitReason) -> StartFailed:
        error = StartFailed(self.label, reason)
        error.__cause__ = _exception_of(reason)
        return error


class Ended(ActorUnavailable, pykka.ActorDeadError):
    """`ActorUnavailable`, as pykka's own code knows it."""


def _abandon(ref: "weakref.ref[Cell]") -> None:
    cell = ref()  # weak: who ended in time need not be remembered until now
    if cell is not None:
        cell.abandon()


def _exception_of(reason: ExitReason) -> BaseException | None:
    cause = reason.cause if isinstance(reason, Crash) else None
    return cause if isinstance(cause, BaseException) else None
