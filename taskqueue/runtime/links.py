"""Links and monitors: notifications of the end of an actor.

Source: OTP, `erlang:link/1`, `erlang:monitor/2`.
"""

import itertools
from typing import NamedTuple, Self

from taskqueue.runtime.exits import NOPROC, ExitReason
from taskqueue.runtime.mailbox import Mail, Mailbox
from taskqueue.runtime.ref import ActorRef
from taskqueue.runtime.reply import Reply
from taskqueue.runtime.signals import Down, ExitSignal
from taskqueue.runtime.world import World

_monitor_ids = itertools.count(1)


class Monitor(NamedTuple):
    """An observer, and the reason that it gets: `NoProc` if it came too late."""

    observer: "Peer"
    reason: ExitReason | None


class Peer:
    """The links and monitors of one actor.

    `system.lock` guards the state that several threads use.
    """

    __slots__ = (
        "exit_reason",
        "label",
        "links",
        "mailbox",
        "monitors",
        "ref",
        "system",
        "untrapped",
        "watchers",
        "watching",
    )

    def __init__(self, system: World) -> None:
        self.system = system
        self.label = ""
        self.mailbox: Mailbox
        self.ref: ActorRef
        self.links: dict[Self, None] | None = None  # in the order in which they were made
        self.monitors: dict[int, Monitor] | None = None  # who watches it
        self.watching: dict[int, Peer] | None = None  # the actors it watches
        self.watchers: list[Reply[ExitReason]] | None = None
        self.untrapped = False  # a signal ends it, so it is as good as dead: no stop hook runs
        self.exit_reason: ExitReason | None = None  # set once its end may be known

    @property
    def is_doomed(self) -> bool:
        """Whether it has ended, or will end because of a signal that was sent."""
        return self.untrapped or self.exit_reason is not None

    def link(self, other: Self) -> bool:
        """Link in both directions, at most once; return False if the other is dead."""
        with self.system.lock:
            if self.links is not None and other in self.links:
                return True
            if other.is_doomed:
                return False
            self.links = self.links or {}
            other.links = other.links or {}
            self.links[other] = other.links[self] = None
            return True

    def unlink(self, other: Self) -> bool:
        """Remove a link; no exit signal of it arrives later. On the host of this actor.

        Return whether such a signal had already arrived.
        """
        self.cut(other)

        def is_from_other(message: object) -> bool:
            return type(message) is ExitSignal and message.sender is other.ref

        return self.mailbox.discard(is_from_other)

    def cut(self, other: Self) -> bool:
        """Remove a link; return whether there was one. An arrived exit signal stays."""
        with self.system.lock:
            if other.links is not None:
                other.links.pop(self, None)
            linked = self.links is not None and other in self.links
            if self.links is not None:
                self.links.pop(other, None)
            return linked

    def monitor(self, other: "Peer") -> int:
        """Monitor `other`: exactly one `Down` arrives, with `NoProc` if it is dead.

        It arrives at once if the other has ended, else at its end, when its name is free.
        """
        monitor = next(_monitor_ids)
        with self.system.lock:
            if other.exit_reason is None:
                other.monitors = other.monitors or {}
                other.monitors[monitor] = Monitor(self, NOPROC if other.untrapped else None)
                self.watching = self.watching or {}
                self.watching[monitor] = other
                return monitor
        self.down(monitor, other, NOPROC)
        return monitor

    def demonitor(self, monitor: int, other: "Peer") -> None:
        """Remove a monitor, and its `Down` if that has already arrived."""
        with self.system.lock:
            if other.monitors is not None:
                other.monitors.pop(monitor, None)
            if self.watching is not None:
                self.watching.pop(monitor, None)
        self.mailbox.discard(lambda m: type(m) is Down and m.monitor == monitor)

    def down(self, monitor: int, other: "Peer", reason: ExitReason) -> None:
        """Receive the `Down` of a monitored actor."""
        if self.watching is not None:
            self.watching.pop(monitor, None)
        self.mailbox.put(Mail(Down(monitor=monitor, ref=other.ref, reason=reason)))

    def ended(self) -> Reply[ExitReason]:
        """Return a future of the exit reason, to be awaited in place of a `Down`."""
        watcher: Reply[ExitReason] = Reply()
        with self.system.lock:
            if self.exit_reason is None:
                self.watchers = self.watchers or []
                self.watchers.append(watcher)
                return watcher
        watcher.set(self.exit_reason)
        return watcher
