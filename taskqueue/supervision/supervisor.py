"""A supervisor: an actor that starts, stops and restarts its children, and obeys `decisions`."""

import asyncio
import math
from collections.abc import Sequence
from typing import NoReturn

from taskqueue.actors.runtime import (
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Exit,
    ExitReason,
    ExitSignal,
    Ignore,
    Message,
    Shutdown,
    receives,
    tell,
)
from taskqueue.clock import Clock, SystemClock
from taskqueue.errors import AskTimeout, StartFailed
from taskqueue.supervision import decisions
from taskqueue.supervision.calls import (
    ChildState,
    CountChildren,
    Counts,
    DeleteChild,
    GetOverview,
    Overview,
    RestartChild,
    StartChild,
    TerminateChild,
)
from taskqueue.supervision.decisions import ChildStatus, RestartWindow, Verdict
from taskqueue.supervision.errors import (
    AlreadyPresent,
    AlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    ChildStartFailed,
    SupervisionError,
)
from taskqueue.supervision.reports import Reporter
from taskqueue.supervision.specs import (
    BRUTAL_KILL,
    ChildSpec,
    ChildType,
    Flags,
    InvalidSpec,
    Restart,
    Started,
    check_child,
    check_children,
)


class FailedToStartChild(Message):
    """Detail of the `Shutdown` with which a supervisor fails that cannot start a child."""

    child_id: str
    reason: ExitReason

    def __str__(self) -> str:
        """Return one line."""
        return f"failed to start child {self.child_id!r}: {self.reason}"


class TryAgain(Message):
    """A supervisor's note to itself: that child's restart failed.

    It goes to the end of the mailbox, so that calls which wait already are served in between.
    """

    child_id: str


class Child:
    """What a supervisor remembers of one child."""

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        self.status = ChildStatus.STOPPED
        self.ref: ActorRef | None = None
        self.incarnation = 0  # successful starts; a failed one brings nobody to life
        self.started_at: float | None = None
        self.last_exit: ExitReason | None = None
        self.last_exit_at: float | None = None

    def runs(self, ref: ActorRef, now: float) -> None:
        """Note a successful start."""
        self.ref = ref
        self.status = ChildStatus.RUNNING
        self.incarnation += 1
        self.started_at = now

    def ended(self, reason: ExitReason, now: float) -> None:
        """Note the end of its actor."""
        self.ref = None
        self.status = ChildStatus.STOPPED
        self.started_at = None
        self.last_exit = reason
        self.last_exit_at = now

    def state(self) -> ChildState:
        """Return what `which_children` shows."""
        return ChildState(
            id=self.spec.id,
            type=self.spec.type,
            status=self.status,
            ref=self.ref,
            spec=self.spec,
            incarnation=self.incarnation,
            started_at=self.started_at,
            last_exit=self.last_exit,
            last_exit_at=self.last_exit_at,
        )


class Supervisor(Actor):
    """OTP's `supervisor`, for a list of children known beforehand and more added later.

    Its start returns when all children run. It stops them in reverse order.
    """

    trap_exit = True

    def __init__(
        self,
        name: str,
        children: Sequence[ChildSpec],
        flags: Flags | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.registered_name = name
        self.flags = flags or Flags()
        self._specs = tuple(children)
        check_children(self._specs, self.flags)
        self._children: dict[str, Child] = {}  # in start order
        self._running: dict[ActorRef, Child] = {}
        self._window = RestartWindow(self.flags.intensity)
        self._clock = clock or SystemClock()
        self._report = Reporter(name, self.flags)

    async def on_start(self) -> None:
        """Start all children in order; if one fails, stop those before it and fail."""
        for spec in self._specs:
            child = self._children[spec.id] = Child(spec)
            try:
                await self._start(child)
                await self._see_through(child)
            except ChildStartFailed as error:
                self._report.start_failed(spec, error.reason, 0, in_period=0)
                await self._give_up_starting(spec, error.reason)
            except Exit:  # a one-shot child failed too often
                await self._give_up_starting(spec, child.last_exit or NORMAL)

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
                await self._restart(waiting)

    def _restarting(self) -> Child | None:
        children = self._children.values()
        return next((each for each in children if each.status == ChildStatus.RESTARTING), None)

    async def on_stop(self) -> None:
        """Stop all children, one at a time, last started first."""
        for child in reversed(self._children.values()):
            await self._stop_child(child)

    # --- a child ends by itself -------------------------------------------------------------

    @receives(ExitSignal)
    async def on_exit_signal(self, message: ExitSignal) -> None:
        """Restart, keep or forget the child that ended; ignore signals of strangers.

        A child that sends its supervisor an exit signal and lives on has not ended.
        """
        sender = message.sender
        if sender is None or sender not in self._running or sender.is_alive():
            return
        await self._on_end(self._running[sender], message.reason)

    async def _on_end(self, child: Child, reason: ExitReason) -> None:
        """Obey what the end of a child asks for."""
        spec = child.spec
        if child.ref is not None:
            del self._running[child.ref]
        child.ended(reason, self._clock.now())
        if decisions.is_reported(spec.restart, reason):
            self._report.terminated(spec, reason, child.incarnation, self._in_period())
        else:
            self._report.exited(spec, reason, child.incarnation)
        match decisions.after_exit(spec.restart, reason):
            case Verdict.RESTART:
                await self._restart(child)
                return
            case Verdict.FORGET:
                del self._children[spec.id]
            case Verdict.KEEP:
                pass
        if spec.significant:
            self._auto_shutdown()

    @receives(TryAgain)
    async def on_try_again(self, message: TryAgain) -> None:
        """Make the next attempt at a failed restart, unless somebody has intervened."""
        child = self._children.get(message.child_id)
        if child is not None and child.status == ChildStatus.RESTARTING:
            await self._restart(child)

    async def _restart(self, failed: Child) -> None:
        if self._window.add(self._clock.monotonic()):
            failed.status = ChildStatus.STOPPED
            self._report.escalated(
                failed.spec, failed.last_exit, failed.incarnation, self._in_period()
            )
            raise Exit(SHUTDOWN)
        strategy, order = self.flags.strategy, tuple(self._children)
        for child_id in decisions.to_stop(strategy, order, failed.spec.id):
            await self._stop_child(self._children[child_id])
            if self._children[child_id].spec.restart == Restart.TEMPORARY:
                del self._children[child_id]
        for child_id in decisions.to_start(strategy, order, failed.spec.id):
            child = self._children.get(child_id)
            if child is not None and not await self._start_again(child):
                return

    async def _start_again(self, child: Child) -> bool:
        """Start a child of a restart; if that fails, arrange for another attempt."""
        reason = child.last_exit
        try:
            await self._start(child)
        except ChildStartFailed as error:
            self._report.start_failed(
                child.spec, error.reason, child.incarnation, self._in_period()
            )
            child.status = ChildStatus.RESTARTING
            tell(self.ref, TryAgain(child_id=child.spec.id))
            return False
        if child.status == ChildStatus.RUNNING:
            self._report.restarted(child.spec, reason, child.incarnation, self._in_period())
        return True

    def _in_period(self) -> int:
        return self._window.count(self._clock.monotonic())

    def _auto_shutdown(self) -> None:
        left = [child.status for child in self._children.values() if child.spec.significant]
        if decisions.shuts_down(self.flags.auto_shutdown, left):
            raise Exit(SHUTDOWN)

    # --- the child API ----------------------------------------------------------------------

    @receives(StartChild, answers=(SupervisionError, InvalidSpec))
    async def on_start_child(self, message: StartChild) -> Started | ActorRef | None:
        """Answer `start_child`."""
        spec = message.spec
        check_child(spec, self.flags)
        present = self._children.get(spec.id)
        if present is not None:
            if present.ref is not None:
                raise AlreadyStarted(spec.id, present.ref)
            raise AlreadyPresent(spec.id)
        child = self._children[spec.id] = Child(spec)
        try:
            return await self._start(child)
        except ChildStartFailed:
            del self._children[spec.id]
            raise

    @receives(TerminateChild, answers=(SupervisionError,))
    async def on_terminate_child(self, message: TerminateChild) -> None:
        """Answer `terminate_child`."""
        child = self._find(message.child_id)
        await self._stop_child(child)
        if child.spec.restart == Restart.TEMPORARY:
            del self._children[child.spec.id]

    @receives(RestartChild, answers=(SupervisionError,))
    async def on_restart_child(self, message: RestartChild) -> Started | ActorRef | None:
        """Answer `restart_child`."""
        return await self._start(self._find_stopped(message.child_id))

    @receives(DeleteChild, answers=(SupervisionError,))
    def on_delete_child(self, message: DeleteChild) -> None:
        """Answer `delete_child`."""
        del self._children[self._find_stopped(message.child_id).spec.id]

    @receives(GetOverview)
    def on_get_overview(self, _: GetOverview) -> Overview:
        """Answer `overview`."""
        return Overview(
            strategy=str(self.flags.strategy),
            max_restarts=self.flags.intensity.max_restarts,
            period_s=self.flags.intensity.period_s,
            restarts_in_period=self._in_period(),
            children=tuple(child.state() for child in self._children.values()),
        )

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

    def _find(self, child_id: str) -> Child:
        child = self._children.get(child_id)
        if child is None:
            raise ChildNotFound(child_id)
        return child

    def _find_stopped(self, child_id: str) -> Child:
        child = self._find(child_id)
        match child.status:
            case ChildStatus.RUNNING:
                raise ChildRunning(child_id)
            case ChildStatus.RESTARTING:
                raise ChildRestarting(child_id)
            case ChildStatus.STOPPED:
                return child

    # --- starting and stopping one child ----------------------------------------------------

    async def _start(self, child: Child) -> Started | ActorRef | None:
        """Call the start function of a child; None if it is ignored.

        Raises:
            ChildStartFailed: it failed, in whatever way.
        """
        spec = child.spec
        try:
            started = await spec.start()
            ref = started.ref if isinstance(started, Started) else started
        except Ignore:
            self._report.ignored(spec)
            child.status = ChildStatus.STOPPED
            if spec.restart == Restart.TEMPORARY:
                del self._children[spec.id]
            return None
        except StartFailed as error:
            raise ChildStartFailed(spec.id, _reason_of(error)) from error
        except asyncio.CancelledError as error:
            if _is_being_cancelled():
                raise  # it is the supervisor that is killed
            raise ChildStartFailed(spec.id, Crash(error)) from error
        except Exception as error:  # a start function is anybody's code; its failure is an answer
            raise ChildStartFailed(spec.id, Crash(error)) from error
        if not isinstance(ref, ActorRef):
            raise ChildStartFailed(spec.id, Crash(f"bad_return: {ref!r}"))
        child.runs(ref, self._clock.now())
        self._running[ref] = child
        self._report.started(spec, child.incarnation)
        return started

    async def _stop_child(self, child: Child) -> None:
        """Make sure that a child does not run, within its limit."""
        ref = child.ref
        if ref is None:
            child.status = ChildStatus.STOPPED
            return
        reason = await self._shut_down(ref, child.spec)
        self._running.pop(ref, None)
        child.ended(reason, self._clock.now())
        limit = child.spec.shutdown_limit
        if decisions.is_shutdown_error(child.spec.restart, limit, reason):
            self._report.stop_failed(child.spec, reason, child.incarnation, self._in_period())
        else:
            self._report.stopped(child.spec, reason, child.incarnation)

    async def _shut_down(self, ref: ActorRef, spec: ChildSpec) -> ExitReason:
        """Ask, wait, kill: OTP's shutdown of one child. Its exit signal is not heard again."""
        ended = ref.ended()
        limit = spec.shutdown_limit
        if limit == BRUTAL_KILL:
            ref.kill()
        else:
            ref.exit(SHUTDOWN)
            if limit != math.inf:
                try:
                    await ended.within(limit, lambda: AskTimeout(ref.label, limit))
                except AskTimeout:
                    ref.kill()
        reason = await ended
        self.unlink(ref)
        return reason


def _reason_of(error: StartFailed) -> ExitReason:
    cause = error.cause
    return cause if isinstance(cause, ExitReason) else Crash(cause)


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
