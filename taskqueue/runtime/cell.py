"""A cell: what the runtime keeps about one actor, and how its end is told.

Order at the end, which is the correctness: the name is freed; the mailbox is closed and what waits
in it is answered; links and monitors are told. Source: OTP, signals; see `docs/otp.md`.
"""

import asyncio
import itertools
import logging
import weakref
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import pykka

from taskqueue.errors import ActorUnavailable, StartFailed
from taskqueue.foreign.inspection import is_a
from taskqueue.runtime.exits import (
    KILLED,
    NOPROC,
    Crash,
    ExitReason,
    Ignore,
    Normal,
    as_reason,
)
from taskqueue.runtime.host import Host
from taskqueue.runtime.mailbox import Mail, Mailbox, SystemMail
from taskqueue.runtime.messages import Down, ExitSignal, ParentExit
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.safe_log import log

# pykka logs each start and end of an actor, at a level for debugging. What an app puts into
# `logging` (a record factory, a filter) may raise there, and the end would never be reported.
logging.getLogger("pykka").disabled = True

if TYPE_CHECKING:
    from taskqueue.runtime.ref import ActorRef
    from taskqueue.runtime.system import System

Closer: TypeAlias = Callable[[], Awaitable[object] | None]

current_cell: ContextVar["Cell | None"] = ContextVar("current_cell", default=None)
_monitor_ids = itertools.count(1)


class Monitor(NamedTuple):
    """Who watches, and the reason it is told: that of the end, unless it came too late."""

    observer: "Cell"
    reason: ExitReason | None


class Cell:
    """One life of one actor. Whatever several threads may touch is guarded by `system.lock`."""

    __slots__ = (
        "__weakref__",
        "begun",
        "born",
        "current",
        "ending",
        "events",
        "exit_reason",
        "handled",
        "host",
        "is_idle",
        "label",
        "last_message",
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
        "watching",
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
        self.is_idle = False  # it waits for a message
        self.ending = False  # it takes no more messages
        self.handled = 0  # messages it has taken, as of its last pause
        self.events: deque[tuple[float, type]]  # when it took the last messages, and their types
        self.main: asyncio.Task[None] | None = None
        self.current: Reply[Any] | None = None  # the ask being handled
        self.open_replies: set[Reply[Any]] | None = None  # asks taken out by `defer`
        self.tasks: set[asyncio.Task[None]] | None = None
        self.owned: list[Closer] | None = None
        self.begun: list[Cell] | None = None  # whom it starts, while somebody wants to know
        self.links: dict[Cell, None] | None = None  # in the order in which they were made
        self.monitors: dict[int, Monitor] | None = None  # who watches it
        self.watching: dict[int, Cell] | None = None  # the actors it watches
        self.watchers: list[Reply[ExitReason]] | None = None
        self.pending_exit: ExitReason | None = None  # why `main` was cancelled
        self.untrapped = False  # a signal ends it, so it is as good as dead: no stop hook runs
        self.last_message: object = None  # what it took last, known once it has crashed
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

        It has taken effect when this returns. To the actor itself it does not return: it raises
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

    def kill(self) -> None:
        """End the actor with `Killed`, trapping or not, without its stop hook.

        An actor that is stuck in a blocking call, or swallows its cancellation, is abandoned
        after the system's `kill_grace_s`: everyone is told that it ended, and nobody will hear
        from it again.
        """
        main, grace_s, me = self.system.main, self.system.kill_grace_s, weakref.ref(self)
        try:
            main.call(lambda: main.loop.call_later(grace_s, _abandon, me))
        finally:  # last, because it does not return to an actor that kills itself
            self._interrupt(KILLED, overrides=True)

    def fail(self, reason: ExitReason) -> None:
        """End the actor because a task of its own says so. On its host."""
        with self.system.lock:
            if self.pending_exit is not None:
                return
            self.pending_exit = reason
        self._cancel_main()

    def _interrupt(self, reason: ExitReason, *, overrides: bool = False) -> None:
        """End the actor with `reason`, whatever it does, from any thread.

        Decided before this returns: the sender, and every caller after it, finds a dead actor. The
        actor itself notices as soon as its host runs it. The first signal counts, unless a later
        one `overrides` it: a kill of an actor that has not noticed the first.
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
        """Tell whether the caller runs in this task of the actor."""
        if task is None or not self.host.is_current():
            return False
        return asyncio.current_task(self.host.loop) is task

    def abandon(self) -> None:
        """Tell everyone that the actor ended, though it did not notice. From any thread."""
        with self.system.lock:  # so that it stops if it ever comes back
            self.pending_exit, self.untrapped = KILLED, True
        if self.finish(KILLED):
            log.error("actor_abandoned", actor=self.label, grace_s=self.system.kill_grace_s)

    # --- links and monitors -----------------------------------------------------------------

    @property
    def is_doomed(self) -> bool:
        """Whether it has ended, or is sure to end of a signal that has been sent."""
        return self.untrapped or self.exit_reason is not None

    def link(self, other: "Cell") -> bool:
        """Link both ways, at most once; False if the other is dead."""
        with self.system.lock:
            if self.links is not None and other in self.links:
                return True
            if other.is_doomed:
                return False
            self.links = self.links or {}
            other.links = other.links or {}
            self.links[other] = other.links[self] = None
            return True

    def unlink(self, other: "Cell") -> bool:
        """Undo a link; no exit signal of it arrives later. On the host of this actor.

        Tell whether such a signal was here already.
        """
        self._cut(other)

        def is_from_other(message: object) -> bool:
            return type(message) is ExitSignal and message.sender is other.ref

        return self.mailbox.discard(is_from_other)

    def _cut(self, other: "Cell") -> bool:
        """Remove a link; tell whether there was one."""
        with self.system.lock:
            if other.links is not None:
                other.links.pop(self, None)
            linked = self.links is not None and other in self.links
            if self.links is not None:
                self.links.pop(other, None)
            return linked

    def _break_link(self, other: "Cell", reason: ExitReason) -> None:
        """Take the exit signal of a link, unless the link is undone before it has arrived."""
        if self.trap_exit:  # a message, so that it comes before the `Down` of the same end
            self._link_broke(other, reason)
        else:
            self.host.call(partial(self._link_broke, other, reason))

    def _link_broke(self, other: "Cell", reason: ExitReason) -> None:
        if self._cut(other):
            self.exit(reason, other)

    def monitor(self, other: "Cell") -> int:
        """Watch `other`: exactly one `Down` comes, with `NoProc` if it is dead.

        It comes at once if the other has ended, else at its end: then its name is free.
        """
        monitor = next(_monitor_ids)
        with self.system.lock:
            if other.exit_reason is None:
                other.monitors = other.monitors or {}
                other.monitors[monitor] = Monitor(self, NOPROC if other.untrapped else None)
                self.watching = self.watching or {}
                self.watching[monitor] = other
                return monitor
        self._down(monitor, other, NOPROC)
        return monitor

    def demonitor(self, monitor: int, other: "Cell") -> None:
        """Stop watching; a `Down` that is already here is taken out."""
        with self.system.lock:
            if other.monitors is not None:
                other.monitors.pop(monitor, None)
            if self.watching is not None:
                self.watching.pop(monitor, None)
        self.mailbox.discard(lambda m: type(m) is Down and m.monitor == monitor)

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
        if self.watching is not None:
            self.watching.pop(monitor, None)
        self.mailbox.put(Mail(Down(monitor=monitor, ref=other.ref, reason=reason)))

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
            links, self.links = self.links or {}, None
            monitors, self.monitors = self.monitors or {}, None
            watching, self.watching = self.watching or {}, None
            watchers, self.watchers = self.watchers or [], None
            self.system.forget(self)
            for monitor, watched in watching.items():
                if watched.monitors is not None:
                    watched.monitors.pop(monitor, None)
            # Inside, so that `unlink` and `demonitor` find either the link or its signal.
            for peer in links:
                peer._break_link(self, reason)  # noqa: SLF001
            for monitor, (observer, other_reason) in monitors.items():
                observer._down(monitor, self, other_reason or reason)  # noqa: SLF001
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

    def _refuse(self, reply: "Reply[Any] | None", reason: ExitReason) -> None:
        if reply is not None:
            # One for each asker: an exception collects the traceback of everyone who raises it.
            error = Ended(self.label, reason)
            error.__cause__ = exception_of(reason)
            reply.fail(error)

    def _start_failed(self, reason: ExitReason) -> StartFailed:
        error = StartFailed(self.label, reason)
        error.__cause__ = exception_of(reason)
        return error


def is_torn_down(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Tell whether the coroutine of `task` is being closed because its loop was closed.

    Then nothing can be awaited any more. A `GeneratorExit` that a handler raises while the task
    runs is a crash like any other.
    """
    if task is None or not is_a(error, GeneratorExit):
        return False
    return asyncio.current_task(task.get_loop()) is not task


class Ended(ActorUnavailable, pykka.ActorDeadError):
    """`ActorUnavailable`, as pykka's own code knows it."""


def _abandon(ref: "weakref.ref[Cell]") -> None:
    cell = ref()  # weak: who ended in time need not be remembered until now
    if cell is not None:
        cell.abandon()


def exception_of(reason: ExitReason) -> BaseException | None:
    """Return the exception that a crash is about; `isinstance` would ask the cause itself."""
    cause = reason.cause if is_a(reason, Crash) else None
    return cause if is_a(cause, BaseException) else None
