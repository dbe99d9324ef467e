"""A cell: what the runtime keeps about one actor, and how its end is told.

Order at the end, which is the correctness: the name is freed; the mailbox is closed and what waits
in it is answered; links and monitors are told. Source: OTP, signals; see `docs/otp.md`.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import pykka
import structlog
from pykka._envelope import Envelope

from taskqueue.actors.runtime.exits import KILLED, ExitReason, Killed, Normal
from taskqueue.actors.runtime.host import Host
from taskqueue.actors.runtime.mailbox import Mailbox
from taskqueue.actors.runtime.mailbox import Message as Mail
from taskqueue.actors.runtime.messages import Down, ExitSignal, ParentExit
from taskqueue.actors.runtime.reply import Reply
from taskqueue.errors import ActorUnavailable

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
        "system",
        "tasks",
        "trap_exit",
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
        self.main: asyncio.Task[None] | None = None
        self.current: pykka.Future[Any] | None = None  # the ask being handled
        self.open_replies: set[pykka.Future[Any]] | None = None  # asks taken out by `defer`
        self.tasks: set[asyncio.Task[None]] | None = None
        self.owned: list[Closer] | None = None
        self.links: set[Cell] | None = None
        self.monitors: dict[int, Cell] | None = None
        self.watchers: list[Reply[ExitReason]] | None = None
        self.pending_exit: ExitReason | None = None  # why `main` was cancelled
        self.sealed = False  # somebody has begun to tell of the end
        self.exit_reason: ExitReason | None = None  # set once the end may be heard of

    # --- signals ----------------------------------------------------------------------------

    def exit(self, reason: ExitReason, sender: "Cell | None") -> None:
        """Take an exit signal. Source: OTP `exit/2`.

        Trapping: the parent's ends the actor with that reason, anybody else's is a message. Not
        trapping: the actor ends at once without a stop hook, except that `Normal` does nothing.
        """
        if not self.trap_exit:
            if not isinstance(reason, Normal):
                self.interrupt(reason)
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
        self.interrupt(KILLED)
        self.system.main.call(
            lambda: self.system.main.loop.call_later(self.system.kill_grace_s, self._abandon)
        )

    def interrupt(self, reason: ExitReason) -> None:
        """Cancel whatever the actor does, from any thread; it ends with `reason`."""
        self.host.call(partial(self._interrupt_here, reason))

    def _interrupt_here(self, reason: ExitReason) -> None:
        if self.sealed:
            return
        if self.pending_exit is None or isinstance(reason, Killed):
            self.pending_exit = reason
        if self.main is not None:
            self.main.cancel()

    def _abandon(self) -> None:
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
        """Undo a link; no exit signal of it arrives later."""
        with self.system.lock:
            for one, two in ((self, other), (other, self)):
                if one.links is not None:
                    one.links.discard(two)

        def is_from_other(message: object) -> bool:
            return isinstance(message, ExitSignal) and message.sender is other.ref

        self.mailbox.discard(is_from_other)

    def monitor(self, other: "Cell") -> int:
        """Watch `other`: exactly one `Down` comes, at once if it is dead."""
        monitor = next(_monitor_ids)
        with self.system.lock:
            reason = other.exit_reason
            if reason is None:
                other.monitors = other.monitors or {}
                other.monitors[monitor] = self
        if reason is not None:
            self._down(monitor, other, reason)
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

    def finish(self, reason: ExitReason) -> bool:
        """Tell everyone of the end; False if that has been done. From any thread."""
        with self.system.lock:
            if self.sealed:
                return False
            self.sealed = True
        self.system.names.release(self.ref)
        self._close_mailbox(reason)
        pykka.ActorRegistry.unregister(self.ref)
        self.ref.actor_stopped.set()
        with self.system.lock:
            self.exit_reason = reason
            links, self.links = self.links or set(), None
            for peer in links:
                if peer.links is not None:
                    peer.links.discard(self)
            monitors, self.monitors = self.monitors or {}, None
            watchers, self.watchers = self.watchers or [], None
            self.system.forget(self)
        for watcher in watchers:
            watcher.set(reason)
        for monitor, observer in monitors.items():
            observer._down(monitor, self, reason)  # noqa: SLF001
        for peer in links:
            peer.exit(reason, self)
        return True

    def _close_mailbox(self, reason: ExitReason) -> None:
        unavailable = ActorUnavailable(self.label, reason)

        def refuse(envelope: Mail) -> None:
            if isinstance(envelope.reply_to, Reply):
                envelope.reply_to.fail(unavailable)

        for envelope in self.mailbox.close(refuse):
            refuse(envelope)
        for reply in (self.current, *(self.open_replies or ())):
            if isinstance(reply, Reply):
                reply.fail(unavailable)
        self.open_replies = None
