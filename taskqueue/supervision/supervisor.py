"""A supervisor: an actor that starts, stops and restarts its children, and obeys `decisions`."""

import asyncio
from collections.abc import Collection, Sequence
from typing import NoReturn

from taskqueue.clock import Clock
from taskqueue.foreign import rendering
from taskqueue.foreign.inspection import is_a, plain
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
from taskqueue.supervision.calls import (
    ChildState,
    CountChildren,
    Counts,
    DeleteChild,
    GetChildSpec,
    RestartChild,
    StartChild,
    TerminateChild,
    WhichChild,
)
from taskqueue.supervision.child import Child
from taskqueue.supervision.decisions import ChildStatus
from taskqueue.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    RequirementsNotRunning,
    SupervisionError,
)
from taskqueue.supervision.specs import (
    ChildSpec,
    ChildType,
    InvalidSpec,
    Restart,
    Started,
    Strategy,
)
from taskqueue.supervision.validation import GivenChild, GivenFlags, check_requires, read_child


class FailedToStartChild(Message):
    """Detail of the `Shutdown` with which a supervisor fails that cannot start a child."""

    child_id: str
    reason: ExitReason

    def __str__(self) -> str:
        """Return one line."""
        return f"failed to start child {self.child_id!r}: {self.reason}"


class SiblingsRun(Message):
    """A supervisor's note to itself: whom that child waits for runs again."""

    child: Child


class Supervisor(BaseSupervisor):
    """OTP's `supervisor`, for a list of children known beforehand and more added later.

    Its start returns when all children run. It stops them in reverse order.

    Args:
        name: registered while it lives.
        children: in start order.
        flags: by default one_for_one, and one restart in five seconds.
        clock: of its restarts.

    Its start fails with `InvalidSpec` before any child is started if the flags (`supervisor_data`)
    or a specification (`start_spec`) is wrong, and with `Shutdown(FailedToStartChild)` if a child
    fails. A class may override `on_start`, to raise `Ignore` or fail for reasons of its own first.
    """

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
        """Wait until a one-shot child has ended, and obey what its end asks for."""
        while child.spec.one_shot and child.ref is not None:
            ref = child.ref
            reason = await ref.ended()
            self.unlink(ref)
            await self._on_end(child, reason)
            while waiting := self._restarting():  # its group's, perhaps: nobody else tries again
                await self._attempt(waiting)

    async def _attempt(self, waiting: Child) -> None:
        """Make the next attempt at a restart during the start, when no message is taken."""
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
        """Stop whom the strategy stops before `failed` is restarted."""
        order = tuple(self._children)
        for child_id in decisions.to_stop(self.flags.strategy, order, failed.spec.id):
            child = self._children[child_id]
            await self._stop_child(child)
            self._retire(child)

    # --- requirements -----------------------------------------------------------------------

    async def _start(self, child: Child) -> Started | ActorRef | None:
        """Start a child, and call those who have waited for it."""
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
        """Start a child of a restart, unless it has to wait for its siblings."""
        return self._awaits_siblings(child) or await super()._start_again(child)

    def _awaits_siblings(self, child: Child) -> bool:
        """Let a child wait if siblings that it requires do not run."""
        missing = self._missing(child.spec)
        if missing:
            child.waits(siblings=missing)
            self._report.waiting(child)
        return bool(missing)

    def _missing(self, spec: ChildSpec) -> tuple[str, ...]:
        """Return whom it requires but who does not run. The dead do not, heard of or not."""
        return tuple(each for each in spec.requires if not self._runs(each))

    def _runs(self, child_id: str) -> bool:
        child = self._children.get(child_id)
        return child is not None and child.ref is not None and child.ref.is_alive()

    @receives(SiblingsRun)
    async def on_siblings_run(self, message: SiblingsRun) -> None:
        """Start a child that has waited for its siblings, alone, unless somebody has intervened."""
        child = message.child
        if child.waits_for and not self._missing(child.spec):
            await self._start_again(child)

    # --- the child API ----------------------------------------------------------------------

    @receives(StartChild, answers=(SupervisionError, InvalidSpec))
    async def on_start_child(self, message: StartChild) -> Started | ActorRef | None:
        """Answer `start_child`."""
        spec = read_child(message.spec, self.flags.auto_shutdown)
        children = self._children
        check_requires(spec, {id_: children[id_].spec for id_ in spec.requires if id_ in children})
        present = self._children.get(spec.id)
        if present is not None:
            if present.ref is not None:
                raise AlreadyStarted(spec.id, present.ref)
            raise AlreadyPresent(spec.id)
        self._refuse_missing(spec)
        child = self._add(spec)
        try:
            return await self._start(child)
        except ChildStartFailed as error:
            del self._children[spec.id]
            raise ChildStartFailed(spec.id, error.reason, spec) from error

    @receives(TerminateChild, answers=(SupervisionError,))
    async def on_terminate_child(self, message: TerminateChild) -> None:
        """Answer `terminate_child`."""
        child = self._find(message.child)
        await self._stop_child(child)
        self._retire(child)

    @receives(RestartChild, answers=(SupervisionError,))
    async def on_restart_child(self, message: RestartChild) -> Started | ActorRef | None:
        """Answer `restart_child`."""
        child = self._find_stopped(message.child)
        self._refuse_missing(child.spec)
        return await self._start(child)

    @receives(DeleteChild, answers=(SupervisionError,))
    def on_delete_child(self, message: DeleteChild) -> None:
        """Answer `delete_child`."""
        del self._children[self._find_stopped(message.child).spec.id]

    @receives(GetChildSpec, answers=(SupervisionError,))
    def on_get_childspec(self, message: GetChildSpec) -> ChildSpec:
        """Answer `get_childspec`."""
        return self._find(message.child).spec.complete()

    @receives(WhichChild, answers=(SupervisionError,))
    def on_which_child(self, message: WhichChild) -> ChildState:
        """Answer `which_child`."""
        return self._find(message.child).state(self._clock)

    @receives(CountChildren)
    def on_count_children(self, _: CountChildren) -> Counts:
        """Answer `count_children`."""
        children = self._children.values()
        supervisors = sum(child.spec.type == ChildType.SUPERVISOR for child in children)
        return Counts(
            specs=len(children),
            active=sum(child.ref is not None and child.ref.is_alive() for child in children),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    def _refuse_missing(self, spec: ChildSpec) -> None:
        if missing := self._missing(spec):
            raise RequirementsNotRunning(spec.id, missing)

    def _find(self, child: str | ActorRef) -> Child:
        """Return the child of that id; a reference is nobody's id."""
        found = self._children.get(plain(child)) if is_a(child, str) else None
        if found is None:
            raise ChildNotFound(rendering.text(child))
        return found

    def _find_stopped(self, child: str | ActorRef) -> Child:
        found = self._find(child)
        match found.status:
            case ChildStatus.RUNNING:
                raise ChildRunning(found.spec.id)
            case ChildStatus.RESTARTING:
                raise ChildRestarting(found.spec.id)
            case ChildStatus.STOPPED:
                return found
