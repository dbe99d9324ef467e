"""A cell: the runtime's state of one incarnation of an actor.

The order at its end is guaranteed: the name is freed, the mailbox is closed and its asks are
answered, then links and monitors are notified. Source: OTP, signals; see `docs/otp.md`.
"""

import asyncio
import logging
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar
from functools import partial
from typing import Any, TypeAlias, cast

import pykka

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.events import events
from taskqueue.runtime.exits import (
    KILLED,
    ExitReason,
    Ignore,
    Normal,
    as_reason,
    exception_of,
)
from taskqueue.runtime.host import Host
from taskqueue.runtime.links import Peer
from taskqueue.runtime.mailbox import Mail, SystemMail
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.signals import ExitSignal, ParentExit
from taskqueue.runtime.world import World

# pykka logs each start and end of an actor, at a level for debugging. What an app puts into
# `logging` (a record factory, a filter) may raise there, and the end would never be reported.
logging.getLogger("pykka").disabled = True

Closer: TypeAlias = Callable[[], Awaitable[object] | None]

current_cell: ContextVar["Cell | None"] = ContextVar("current_cell", default=None)


class Cell(Peer):
    """One incarnation of an actor."""

    __slots__ = (
        "__weakref__",
        "begun",
        "born",
        "context",
        "current",
        "ending",
        "handled",
        "history",
        "host",
        "is_idle",
        "last_message",
        "main",
        "open_replies",
        "owned",
        "parent",
        "pending_exit",
        "sealed",
        "started",
        "tasks",
        "trap_exit",
    )

    def __init__(
        self, system: World, host: Host, parent: "Cell | None", *, trap_exit: bool
    ) -> None:
        super().__init__(system)
        self.host = host
        self.parent = parent
        self.trap_exit = trap_exit
        self.started: Reply[ActorRef] = Reply()  # the answer of the start handshake
        self.born = False  # it was or will be answered with the reference
        self.is_idle = False  # it waits for a message
        self.ending = False  # it takes no more messages
        self.handled = 0  # messages it has taken, as of its last pause
        self.history: deque[tuple[float, type]]  # when it took the last messages, and their types
        self.main: asyncio.Task[None] | None = None
        self.context: Context  # of `main`, as it begins
        self.current: Reply[Any] | None = None  # the ask being handled
        self.open_replies: set[Reply[Any]] | None = None  # asks taken out by `defer`
        self.tasks: set[asyncio.Task[None]] | None = None
        self.owned: list[Closer] | None = None
        self.begun: list[Cell] | None = (
            None  # the actors that it starts, while `start_within` counts
        )
        self.pending_exit: ExitReason | None = None  # why `main` was cancelled
        self.last_message: object = None  # what it took last, known once it has crashed
        self.sealed = False  # its end is being announced

    def be_born(self) -> bool:
        """Decide the start handshake for the actor; False if it was abandoned before."""
        with self.system.lock:
            self.born = not self.sealed
            return self.born

    def is_on_stack(self) -> bool:
        """Return whether this runs in a step of the actor, or in one that such a step began."""
        return self is current_cell.get() or self in self.host.interrupted

    # --- signals ----------------------------------------------------------------------------

    def exit(self, reason: ExitReason, sender: "Cell | None") -> None:
        """Receive an exit signal. Source: OTP `exit/2`.

        An actor that traps exits ends with the reason of its parent's signal, and gets the signals
        of other senders as messages. Any other actor ends at once, without its stop hook; `Normal`
        then has no effect, unless the actor sends it to itself.

        The signal has taken effect when this returns. An actor that ends itself gets
        `CancelledError`.
        """
        reason = as_reason(reason)
        if not self.trap_exit:
            if not isinstance(reason, Normal) or sender is self:
                self._interrupt(reason)
        elif sender is self.parent:
            self.mailbox.put(SystemMail(ParentExit(reason=reason)))
        else:
            ref = sender.ref if sender is not None else None
            self.mailbox.put(Mail(ExitSignal(sender=ref, reason=reason)))

    def exit_by_caller(self, reason: ExitReason) -> None:
        """Receive an exit signal from the current actor, or from outside."""
        self.exit(reason, current_cell.get())

    def kill(self) -> None:
        """End the actor with `Killed`, trapping or not, without its stop hook.

        An actor that is stuck in a blocking call, or swallows its cancellation, is abandoned
        after the system's `kill_grace_s`: its end is announced, and later results are discarded.
        """
        main, grace_s, me = self.system.main, self.system.kill_grace_s, weakref.ref(self)
        try:
            main.call(lambda: main.loop.call_later(grace_s, _abandon, me))
        finally:  # last, because it does not return to an actor that kills itself
            self._interrupt(KILLED, overrides=True)

    def fail(self, reason: ExitReason) -> None:
        """End the actor because a task of it failed or exits. On its host."""
        with self.system.lock:
            if self.pending_exit is not None:
                return
            self.pending_exit = reason
        self._cancel_main()

    def _interrupt(self, reason: ExitReason, *, overrides: bool = False) -> None:
        """End the actor with `reason`, whatever it is doing. From any thread.

        When this returns, the actor is dead for its sender and every later caller. The actor itself
        notices as soon as its host runs it. The first signal counts, unless a later one `overrides`
        it: a kill of an actor that has not noticed the first.
        """
        with self.system.lock:
            if self.pending_exit is None or overrides:
                self.pending_exit = reason
            self.untrapped = True
        self.host.call(self._cancel_main)
        if self.host.is_current() and any(map(self.runs_in, (self.main, *(self.tasks or ())))):
            raise asyncio.CancelledError  # an actor that ends itself does not continue

    def _cancel_main(self) -> None:
        if self.main is not None:
            self.main.cancel()

    def runs_in(self, task: "asyncio.Task[None] | None") -> bool:
        """Return whether the caller runs in this task of the actor."""
        if task is None or not self.host.is_current():
            return False
        return asyncio.current_task(self.host.loop) is task

    def abandon(self) -> None:
        """Announce the end of an actor that has not noticed its kill. From any thread."""
        with self.system.lock:  # so that it stops if it ever comes back
            self.pending_exit, self.untrapped = KILLED, True
        if self.finish(KILLED):
            events.error("actor_abandoned", actor=self.label, grace_s=self.system.kill_grace_s)

    def _break_link(self, other: "Cell", reason: ExitReason) -> None:
        """Receive the exit signal of a link, unless the link is removed before it arrives."""
        if self.trap_exit:  # a message, so that it comes before the `Down` of the same end
            self._link_broke(other, reason)
        else:
            self.host.call(partial(self._link_broke, other, reason))

    def _link_broke(self, other: "Cell", reason: ExitReason) -> None:
        if self.cut(other):
            self.exit(reason, other)

    # --- the end ----------------------------------------------------------------------------

    def finish(self, reason: ExitReason, ignored: Ignore | None = None) -> bool:
        """Announce the end; False if that has been done. From any thread."""
        with self.system.lock:
            if self.sealed:
                return False
            self.sealed = True
        self.system.names.release(self.ref)
        self._close_mailbox(reason)
        pykka.ActorRegistry.unregister(self.ref)
        self.ref.actor_stopped.set()
        if self.parent is not None and not self.born:
            self.parent.cut(self)  # a failed start is reported by its answer alone
        self._notify(reason)
        if not self.born:
            self.started.fail(ignored or self._start_failed(reason))
        self.host.leave(self)
        return True

    def _notify(self, reason: ExitReason) -> None:
        """Publish the exit reason to links, monitors and awaiting tasks."""
        with self.system.lock:
            self.exit_reason = reason
            links, self.links = self.links or {}, None
            monitors, self.monitors = self.monitors or {}, None
            watching, self.watching = self.watching or {}, None
            watchers, self.watchers = self.watchers or [], None
            self.system.forget(self.ref)
            for monitor, watched in watching.items():
                if watched.monitors is not None:
                    watched.monitors.pop(monitor, None)
            # Inside, so that `unlink` and `demonitor` find either the link or its signal.
            for peer in links:
                peer._break_link(self, reason)  # noqa: SLF001
            for monitor, (observer, other_reason) in monitors.items():
                observer.down(monitor, self, other_reason or reason)
        for watcher in watchers:
            watcher.set(reason)

    def refuse_open_asks(self, reason: ExitReason) -> None:
        """Answer the asks that the actor received but did not answer."""
        for reply in (self.current, *(self.open_replies or ())):
            self._refuse(reply, reason)
        self.open_replies = None

    def _close_mailbox(self, reason: ExitReason) -> None:
        def refuse(envelope: Mail) -> None:
            self._refuse(envelope.reply_to, reason)

        self.mailbox.close(refuse)
        self.refuse_open_asks(reason)

    def _refuse(self, reply: "Reply[Any] | None", reason: ExitReason) -> None:
        if reply is not None:
            # One for each asker: an exception collects the traceback of each task that raises it.
            error = Ended(self.label, reason)
            error.__cause__ = exception_of(reason)
            reply.fail(error)

    def _start_failed(self, reason: ExitReason) -> StartFailed:
        error = StartFailed(self.label, reason)
        error.__cause__ = exception_of(reason)
        return error


def cell_of(ref: ActorRef) -> Cell:
    """Return the cell of a reference. Outside the runtime, use what `ActorRef` offers."""
    return cast("Cell", ref.cell)  # the runtime makes each reference with one


class Ended(ActorUnavailable, pykka.ActorDeadError):
    """`ActorUnavailable`, as pykka's own code knows it."""


def _abandon(ref: "weakref.ref[Cell]") -> None:
    cell = ref()  # weak: an actor that ended in time is not kept alive by the timer
    if cell is not None:
        cell.abandon()
