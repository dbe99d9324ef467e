"""Crash-test dummies: actors that do, on command, what actors should not.

    journal = Journal()
    dummy = Dummy("database", journal)
    await system.spawn(Supervisor, "root", [dummy.child(restart=Restart.TRANSIENT)])
    dummy.crash()
    await journal.wait_for("started", actor="database", nth=2)

A dummy outlives its actors: it starts one life after the other, as a supervisor demands, and
commands the present one.
"""

import asyncio
import contextlib
import threading
from functools import partial
from typing import Any

from taskqueue.runtime import (
    Actor,
    ActorRef,
    Crash,
    Exit,
    ExitReason,
    Ignore,
    Message,
    Reply,
    receives,
    tell,
)
from taskqueue.supervision import ChildSpec
from taskqueue.testing.events import EventLog


class Journal(EventLog):
    """What dummies write about their lives, in order: `started`, `ended`, and what comes between.

    `select` and `wait_for` know an event by its name and by its `actor`.
    """

    _taken = 0

    def write(self, actor: str, event: str) -> None:
        """Add a line. From any thread."""
        self.record({"event": event, "actor": actor})

    def take(self) -> list[str]:
        """Return the lines since the last time, as `actor event`."""
        with self._lock:
            new = self._events[self._taken :]
            self._taken += len(new)
        return [f"{line['actor']} {line['event']}" for line in new]


class End(Message):
    """End with this reason."""

    reason: ExitReason


class Raise(Message):
    """Let this escape from the handler."""

    error: BaseException


class Stall(Message):
    """See `Dummy.stall`."""


class Resist(Message):
    """See `Dummy.resist`."""


class Block(Message):
    """See `Dummy.block`."""


class CrashTest(Actor):
    """One life of a dummy. It dies at once of the signal that tells it to shut down."""

    def __init__(self, dummy: "Dummy") -> None:
        super().__init__()
        self._dummy = dummy

    async def on_start(self) -> None:
        """Start as the dummy has been told to."""
        dummy = self._dummy
        if dummy.held is not None:
            dummy.write("starting")
            await dummy.held
        if dummy.failed_starts > 0:
            dummy.failed_starts -= 1
            dummy.write("failed")
            raise Exit(dummy.start_error)
        if dummy.ignored_starts > 0:
            dummy.ignored_starts -= 1
            dummy.write("ignored")
            raise Ignore
        self.own(partial(dummy.write, "ended"))
        dummy.ref = self.ref
        dummy.write("started")

    async def on_stop(self) -> None:
        """Tell that there was time to clean up, which may end otherwise than the life would."""
        self._dummy.write("stopping")
        if self._dummy.last_words is not None:
            raise Exit(self._dummy.last_words)

    @receives(End)
    def on_end(self, message: End) -> None:
        """End."""
        raise Exit(message.reason)

    @receives(Raise)
    def on_raise(self, message: Raise) -> None:
        """Crash."""
        raise message.error

    @receives(Stall)
    async def on_stall(self, _: Stall) -> None:
        """Take no other message."""
        self._dummy.write("stalling")
        await self._dummy.released

    @receives(Resist)
    async def on_resist(self, _: Resist) -> None:
        """Take no other message and swallow every cancellation."""
        released = self._dummy.released
        self._dummy.write("resisting")
        while not released.done():
            with contextlib.suppress(asyncio.CancelledError):
                await released

    @receives(Block)
    def on_block(self, _: Block) -> None:
        """Hold the thread."""
        released = threading.Event()
        self._dummy.released.when_done(released.set)
        self._dummy.write("blocking")
        released.wait()


class TrappingCrashTest(CrashTest):
    """One that is asked to shut down, and cleans up before it does."""

    trap_exit = True


class HostedCrashTest(CrashTest):
    """One with a thread of its own, which it may block."""

    dedicated_host = True


class Dummy:
    """A role to be played by one `CrashTest` after the other.

    Attributes:
        ref: the present life, or the last one.
        failed_starts: so many of its next starts fail, with `start_error`.
        ignored_starts: so many of its next starts, after those, are ignored.
        held: what its starts wait for; see `hold_starts`.
        last_words: the reason its stop hook ends with, if it is to change it.
    """

    def __init__(self, name: str, journal: Journal, kind: type[CrashTest] = CrashTest) -> None:
        self.name = name
        self.kind = kind
        self.write = partial(journal.write, name)
        self.ref: ActorRef | None = None
        self.failed_starts = 0
        self.ignored_starts = 0
        self.start_error: ExitReason = Crash("no start")
        self.held: Reply[None] | None = None
        self.last_words: ExitReason | None = None
        self.released: Reply[None] = Reply()

    async def start(self) -> ActorRef:
        """Begin a life, linked to the current actor: the `start` of a `ChildSpec`."""
        return await self.kind.start_link(self)

    def child(self, **options: Any) -> ChildSpec:
        """Specify it as a child called as it is; `options` are those of `ChildSpec`."""
        return ChildSpec(id=self.name, start=self.start, **options)

    @property
    def life(self) -> ActorRef:
        """The present life, or the last one; there must have been one."""
        assert self.ref is not None, f"{self.name} has never been started"
        return self.ref

    def crash(self, cause: object = "crashed on command") -> None:
        """End with `Crash(cause)`."""
        self.end(Crash(cause))

    def end(self, reason: ExitReason) -> None:
        """End with `reason`."""
        tell(self.life, End(reason=reason))

    def fail(self, error: BaseException) -> None:
        """Let `error` escape from a handler."""
        tell(self.life, Raise(error=error))

    def stall(self) -> None:
        """Be busy forever: an actor that traps exits does not notice the shutdown signal."""
        tell(self.life, Stall())

    def resist(self) -> None:
        """Swallow every cancellation: not even a kill ends it."""
        tell(self.life, Resist())

    def block(self) -> None:
        """Hold the thread, as a blocking call does: nothing at all ends it."""
        tell(self.life, Block())

    def hold_starts(self) -> None:
        """Make starts wait, after they have written `starting`, until `release`."""
        self.held = Reply()

    def release(self) -> None:
        """Let go of whatever was held, stalled, resisted or blocked."""
        held, self.held = self.held, None
        if held is not None:
            held.set()
        released, self.released = self.released, Reply()
        released.set()
