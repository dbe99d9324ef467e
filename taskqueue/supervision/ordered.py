"""Supervisors with an ordered list of children: start, restart and stop."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NoReturn

from taskqueue.clock import Clock
from taskqueue.runtime import (
    NORMAL,
    ActorRef,
    Exit,
    ExitReason,
    Message,
    Shutdown,
    receives,
    tell,
)
from taskqueue.supervision import decisions
from taskqueue.supervision.base import BaseSupervisor
from taskqueue.supervision.child import Child
from taskqueue.supervision.errors import ChildStartFailed
from taskqueue.supervision.specs import ChildSpec, Restart, Started, Strategy
from taskqueue.supervision.validation import GivenChild, GivenFlags


class FailedToStartChild(Message):
    """Detail of the `Shutdown` with which a supervisor fails that cannot start a child."""

    child_id: str
    reason: ExitReason

    def __str__(self) -> str:
        """Return one line."""
        return f"failed to start child {self.child_id!r}: {self.reason}"


class SiblingsRun(Message):
    """A supervisor's message to itself: the siblings that `child` waits for run again."""

    child: Child


class ListSupervisor(BaseSupervisor):
    """Starts its children in order and stops them in reverse."""

    strategies = (Strategy.ONE_FOR_ONE, Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE)

    def __init__(
        self,
        name: str,
        children: Sequence[GivenChild],
        flags: GivenFlags | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, flags, clock)
        self._given_children = children
        self._children: dict[str, Child] = {}  # in start order
        self._required: set[str] = set()  # ids that children require

    async def on_start(self) -> None:
        """Start all children in order; if one fails, stop those before it and fail."""
        self._read_flags()
        given, self._given_children = self._given_children, ()
        for spec in self._read_children(given):
            child = self._add(spec)
            try:
                if not self._awaits_siblings(child):
                    await self._start(child)
                await self._see_through(child)
            except ChildStartFailed as error:
                self._report.start_failed(child, error.reason, in_period=0)
                await self._give_up_starting(spec, error.reason)
            except Exit:  # a one-shot child failed too often
                await self._give_up_starting(spec, child.last_exit or NORMAL)

    def _add(self, spec: ChildSpec) -> Child:
        child = self._children[spec.id] = Child(spec.id, spec)
        self._required.update(spec.requires)
        return child

    async def _give_up_starting(self, spec: ChildSpec, reason: ExitReason) -> NoReturn:
        await self.on_stop()
        raise Exit(Shutdown(FailedToStartChild(child_id=spec.id, reason=reason)))

    async def _see_through(self, child: Child) -> None:
        """Wait until a one-shot child has ended for good, and restart it if it has to be."""
        while child.spec.one_shot and child.ref is not None:
            ref = child.ref
            reason = await ref.ended()
            self.unlink(ref)
            await self._on_end(child, reason)
            while (
                waiting := self._restarting()
            ):  # it or one of its group; messages are not handled yet
                await self._attempt(waiting)

    async def _attempt(self, waiting: Child) -> None:
        """Try a restart again during the start, when no messages are handled."""
        if waiting.delay is None:
            await self._restart(waiting)
            return
        await asyncio.sleep(waiting.delay.until - self._clock.monotonic())
        await self._revive(waiting)

    def _restarting(self) -> Child | None:
        children = self._children.values()
        return next((each for each in children if each.is_tried_again or each.delay), None)

    async def on_stop(self) -> None:
        """Stop all children, one at a time, last started first."""
        for child in reversed(self._children.values()):
            await self._stop_child(child)

    # --- what happens to a child that ended -------------------------------------------------

    def _members(self) -> Collection[Child]:
        return self._children.values()

    def _present(self, child: Child) -> Child | None:
        return self._children.get(child.spec.id)

    def _retire(self, child: Child) -> None:
        child.rests()
        if child.spec.restart == Restart.TEMPORARY:
            del self._children[child.spec.id]

    async def _revive(self, failed: Child) -> None:
        strategy, order = self.flags.strategy, tuple(self._children)
        if strategy != Strategy.ONE_FOR_ONE:
            failed.rests()  # as in OTP, a group is started by a supervisor that forgot its pids
        await self._hold(failed)
        for child_id in decisions.to_start(strategy, order, failed.spec.id):
            present = self._children.get(child_id)
            if present is not None and not await self._start_again(present):
                return

    async def _hold(self, failed: Child) -> None:
        """Stop the children that the strategy stops before `failed` is restarted."""
        order = tuple(self._children)
        for child_id in decisions.to_stop(self.flags.strategy, order, failed.spec.id):
            child = self._children[child_id]
            await self._stop_child(child)
            self._retire(child)

    # --- requirements -----------------------------------------------------------------------

    async def _start(self, child: Child) -> Started | ActorRef | None:
        """Start a child, and wake the children that wait for it."""
        started = await super()._start(child)
        if child.spec.id in self._required:
            for each in self._children.values():
                if each.waits_for:
                    self._call(each)
        return started

    def _call(self, waiting: Child) -> None:
        if missing := self._missing(waiting.spec):
            waiting.waits_for = missing
        else:
            tell(self.ref, SiblingsRun(child=waiting))

    async def _start_again(self, child: Child) -> bool:
        """Start a child as part of a restart, unless it has to wait for siblings."""
        return self._awaits_siblings(child) or await super()._start_again(child)

    def _awaits_siblings(self, child: Child) -> bool:
        """Have a child wait if siblings that it requires do not run; return whether it does."""
        missing = self._missing(child.spec)
        if missing:
            child.waits(siblings=missing)
            self._report.waiting(child)
        return bool(missing)

    def _missing(self, spec: ChildSpec) -> tuple[str, ...]:
        """Return the required siblings that do not run, dead ones included."""
        return tuple(each for each in spec.requires if not self._runs(each))

    def _runs(self, child_id: str) -> bool:
        child = self._children.get(child_id)
        return child is not None and child.ref is not None and child.ref.is_alive()

    @receives(SiblingsRun)
    async def on_siblings_run(self, message: SiblingsRun) -> None:
        """Start a child that has waited for its siblings, unless a call has intervened."""
        child = message.child
        if child.waits_for and not self._missing(child.spec):
            await self._start_again(child)
