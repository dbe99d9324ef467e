"""What all supervisors have in common: how the end of a child is handled."""

import asyncio
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from random import random
from typing import ClassVar

from taskqueue.clock import Clock, SystemClock
from taskqueue.runtime import (
    NOPROC,
    SHUTDOWN,
    Actor,
    ActorRef,
    Exit,
    ExitReason,
    ExitSignal,
    Ignore,
    Message,
    receives,
    tell,
)
from taskqueue.supervision import decisions
from taskqueue.supervision.calls import GetOverview, Overview, StartInstance
from taskqueue.supervision.child import Child, Delay, reference, shut_down
from taskqueue.supervision.decisions import ChildStatus, RestartWindow, Verdict
from taskqueue.supervision.errors import ChildStartFailed, SupervisionError
from taskqueue.supervision.reports import Reporter
from taskqueue.supervision.specs import (
    ChildSpec,
    Flags,
    InvalidSpec,
    ShutdownLimit,
    Started,
    Strategy,
)
from taskqueue.supervision.validation import GivenChild, GivenFlags, read_children, read_flags


class TryAgain(Message):
    """A supervisor's message to itself: the restart of that child failed, try again.

    It goes to the end of the mailbox, so waiting calls are served in between.
    """

    child: Child


class WakeUp(Message):
    """A supervisor's message to itself: the backoff of that child is over."""

    child: Child
    delay: Delay


class BaseSupervisor(Actor):
    """Restarts children that end, and gives up when the restart intensity is exceeded."""

    trap_exit = True

    strategies: ClassVar[tuple[Strategy, ...]]
    """The strategies that it supports; the first is the default."""

    flags: Flags
    _window: RestartWindow
    _report: Reporter

    def __init__(self, name: str, flags: GivenFlags | None, clock: Clock | None) -> None:
        super().__init__()
        self.registered_name = name
        self._given_flags = Flags(strategy=self.strategies[0]) if flags is None else flags
        self._running: dict[ActorRef, Child] = {}
        self._clock = clock or SystemClock()

    def _read_flags(self) -> None:
        """Read the given flags.

        Raises:
            InvalidSpec: they are invalid (`supervisor_data`).
        """
        try:
            self.flags = read_flags(self._given_flags, self.strategies)
        except InvalidSpec as fault:
            raise InvalidSpec("supervisor_data", fault) from fault
        self._window = RestartWindow(self.flags.intensity)
        self._report = Reporter(self.ref.label, self.flags)

    def _read_children(self, given: Sequence[GivenChild]) -> tuple[ChildSpec, ...]:
        """Return the given specifications.

        Raises:
            InvalidSpec: one is invalid (`start_spec`).
        """
        try:
            return read_children(given, self.flags.auto_shutdown)
        except InvalidSpec as fault:
            raise InvalidSpec("start_spec", fault) from fault

    # --- what each kind of supervisor does in its own way -----------------------------------

    @abstractmethod
    def _members(self) -> Iterable[Child]:
        """Return all children, in start order if there is one."""

    @abstractmethod
    def _present(self, child: Child) -> Child | None:
        """Return the current child in the place of `child`; None if there is none."""

    @abstractmethod
    async def _hold(self, failed: Child) -> None:
        """Prepare a delayed restart of `failed`."""

    @abstractmethod
    async def _revive(self, failed: Child) -> None:
        """Restart `failed`, and the children that the strategy restarts with it."""

    @abstractmethod
    def _retire(self, child: Child) -> None:
        """Keep or forget a child that has ended and is not restarted."""

    # --- a child ends by itself -------------------------------------------------------------

    @receives(ExitSignal)
    async def on_exit_signal(self, message: ExitSignal) -> None:
        """Handle the end of a child; ignore signals from other actors.

        A child that sends its supervisor an exit signal without ending has not ended.
        """
        sender = message.sender
        if sender is None or sender not in self._running or sender.exit_reason is None:
            return
        await self._on_end(self._running[sender], message.reason)

    async def _on_end(self, child: Child, reason: ExitReason) -> None:
        """Restart, keep or forget a child that has ended."""
        if child.ref is not None:
            del self._running[child.ref]
        child.ended(reason, self._clock)
        if decisions.is_reported(child.spec.restart, reason):
            self._report.terminated(child, reason, self._in_period())
        else:
            self._report.exited(child, reason)
        if decisions.after_exit(child.spec.restart, reason) == Verdict.RESTART:
            await self._restart(child)
            return
        self._retire(child)
        if child.spec.significant:
            self._auto_shutdown()

    @receives(TryAgain)
    async def on_try_again(self, message: TryAgain) -> None:
        """Try a failed restart again, unless a call has intervened."""
        child = self._present(message.child)
        if child is not None and child.is_tried_again:
            await self._restart(child)

    async def _restart(self, failed: Child) -> None:
        """Restart a child, after its backoff if it has one, or give up."""
        wait = failed.next_pause(jitter=random())  # noqa: S311 - no secret
        if decisions.counts(wait) and self._window.add(self._clock.monotonic()):
            self._report.escalated(failed, self._in_period())
            failed.rests()
            raise Exit(SHUTDOWN)
        if wait is None:
            await self._revive(failed)
            return
        await self._hold(failed)
        self._delay(failed, wait.seconds)

    def _delay(self, failed: Child, seconds: float) -> None:
        delay = Delay(until=self._clock.monotonic() + seconds)
        failed.waits(delay)
        delay.timer = self.start_task(self._wake_up(failed, delay, seconds))
        self._report.delayed(failed, seconds, self._in_period())

    async def _wake_up(self, failed: Child, delay: Delay, seconds: float) -> None:
        await asyncio.sleep(seconds)
        tell(self.ref, WakeUp(child=failed, delay=delay))

    @receives(WakeUp)
    async def on_wake_up(self, message: WakeUp) -> None:
        """Make a delayed restart, unless a call has intervened."""
        if message.child.delay is message.delay:
            await self._revive(message.child)

    async def _start_again(self, child: Child) -> bool:
        """Start a child as part of a restart; if that fails, schedule another attempt."""
        reason = child.last_exit
        try:
            await self._start(child)
        except ChildStartFailed as error:
            self._report.start_failed(child, error.reason, self._in_period())
            child.waits()
            tell(self.ref, TryAgain(child=child))
            return False
        if child.status == ChildStatus.RUNNING:
            self._report.restarted(child, reason, self._in_period())
        return True

    def _in_period(self) -> int:
        return self._window.count(self._clock.monotonic())

    def _auto_shutdown(self) -> None:
        left = (child.status for child in self._members() if child.spec.significant)
        if decisions.shuts_down(self.flags.auto_shutdown, left):
            raise Exit(SHUTDOWN)

    # --- starting and stopping one child ----------------------------------------------------

    async def _start(self, child: Child) -> Started | ActorRef | None:
        """Start a child; None if its start is ignored.

        If the start function did not link the actor (`System.spawn`), the supervisor links it:
        otherwise it would not notice its end.

        Raises:
            ChildStartFailed: it failed.
        """
        try:
            started = await child.start()
        except Ignore:
            self._report.ignored(child)
            self._retire(child)
            return None
        ref = reference(started)
        if not self.adopt(ref):
            raise ChildStartFailed(child.spec.id, NOPROC)
        child.runs(ref, self._clock)
        self._running[ref] = child
        if child.id is not None:  # as in OTP, instances make no progress reports
            self._report.started(child)
        return started

    async def _stop_child(self, child: Child) -> None:
        """Stop a child within its limit, if it runs."""
        ref = child.ref
        if ref is not None:
            reason = await self._shut_down(ref, child.spec.shutdown_limit)
            del self._running[ref]
            child.ended(reason, self._clock)
            self._report_stop(child, reason)
        child.rests()

    async def _shut_down(self, ref: ActorRef, limit: ShutdownLimit) -> ExitReason:
        """Stop an actor and drop its exit signal.

        A child that had died without an exit signal had unlinked itself. Source: OTP
        `supervisor:unlink_flush/2`.
        """
        was_dead = not ref.is_alive()
        reason = await shut_down(ref, limit)
        has_told = self.unlink(ref)
        return NOPROC if was_dead and not has_told else reason

    def _report_stop(self, child: Child, reason: ExitReason) -> None:
        spec = child.spec
        if decisions.is_shutdown_error(spec.restart, spec.shutdown_limit, reason):
            self._report.stop_failed(child, reason, self._in_period())
        else:
            self._report.stopped(child, reason)

    # --- what all of them answer ------------------------------------------------------------

    @receives(GetOverview)
    def on_get_overview(self, _: GetOverview) -> Overview:
        """Answer `overview`."""
        return Overview(
            strategy=str(self.flags.strategy),
            max_restarts=self.flags.intensity.max_restarts,
            period_s=self.flags.intensity.period_s,
            restarts_in_period=self._in_period(),
            children=tuple(child.state(self._clock) for child in self._members()),
        )

    @receives(StartInstance, answers=(SupervisionError, InvalidSpec))
    async def on_start_instance(self, message: StartInstance) -> Started | ActorRef | None:
        """Answer `start_instance`, which only supervisors with a template support."""
        raise InvalidSpec("invalid_child_spec", message.arguments)
