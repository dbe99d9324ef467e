"""Dynamic supervisors: any number of children, identified by their references.

    SimpleOneForOne      OTP's strategy of that name: instances of one template
    DynamicSupervisor    Elixir's: each child brings its own specification

Operations on one child take constant time.
"""

import asyncio
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain

from taskqueue.clock import Clock
from taskqueue.foreign import rendering
from taskqueue.foreign.inspection import is_a, plain
from taskqueue.runtime import ActorRef, ExitReason, receives
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
    StartInstance,
    TerminateChild,
    WhichChild,
)
from taskqueue.supervision.child import Child
from taskqueue.supervision.errors import (
    ChildNotFound,
    MaxChildren,
    OnlyInstances,
    SupervisionError,
)
from taskqueue.supervision.specs import (
    AutoShutdown,
    ChildSpec,
    ChildType,
    InvalidSpec,
    Started,
    Strategy,
)
from taskqueue.supervision.validation import GivenChild, GivenFlags, check_requires, read_child


class _Dynamic(BaseSupervisor):
    """Keeps children by reference; restarts each alone, stops all at the same time.

    A child that ended for good is forgotten, and so is one whose start or restart is ignored.
    """

    def __init__(self, name: str, flags: GivenFlags | None, clock: Clock | None) -> None:
        super().__init__(name, flags, clock)
        self._waiting: dict[str, Child] = {}  # for another restart attempt, by URN of the dead

    async def on_stop(self) -> None:
        """Stop all children at the same time, each within its limit."""
        children = list(self._running.items())
        stops = (self._shut_down(ref, child.spec.shutdown_limit) for ref, child in children)
        reasons = await asyncio.gather(*stops)
        self._report_stops(
            [(child, reason) for (_, child), reason in zip(children, reasons, strict=True)]
        )

    @abstractmethod
    def _report_stops(self, ends: Sequence[tuple[Child, ExitReason]]) -> None:
        """Report the exits of children that were stopped together."""

    # --- what happens to a child that ended -------------------------------------------------

    def _members(self) -> Iterable[Child]:
        return chain(self._running.values(), self._waiting.values())

    def _present(self, child: Child) -> Child | None:
        return self._waiting.get(child.urn)

    def _retire(self, child: Child) -> None:
        self._waiting.pop(child.urn, None)
        child.rests()

    async def _hold(self, failed: Child) -> None:
        self._waiting[failed.urn] = failed

    async def _revive(self, failed: Child) -> None:
        self._waiting.pop(failed.urn, None)
        if not await self._start_again(failed):
            self._waiting[failed.urn] = failed

    # --- the child API ----------------------------------------------------------------------

    @receives(TerminateChild, answers=(SupervisionError,))
    async def on_terminate_child(self, message: TerminateChild) -> None:
        """Answer `terminate_child`."""
        child = self._find_present(message.child)
        await self._stop_child(child)
        self._retire(child)

    @receives(RestartChild, answers=(SupervisionError,))
    async def on_restart_child(self, message: RestartChild) -> Started | ActorRef | None:
        """Answer `restart_child`."""
        raise OnlyInstances(rendering.text(message.child))

    @receives(DeleteChild, answers=(SupervisionError,))
    def on_delete_child(self, message: DeleteChild) -> None:
        """Answer `delete_child`."""
        raise OnlyInstances(rendering.text(message.child))

    @receives(WhichChild, answers=(SupervisionError,))
    def on_which_child(self, message: WhichChild) -> ChildState:
        """Answer `which_child`."""
        return self._find_present(message.child).state(self._clock)

    def _find_present(self, child: str | ActorRef) -> Child:
        found = self._find(child)
        if found is None:
            raise ChildNotFound(rendering.text(child))
        return found

    def _find(self, child: str | ActorRef) -> Child | None:
        """Return the child with this actor, or whose last one it was before a queued attempt."""
        if is_a(child, str):
            raise OnlyInstances(plain(child))
        if is_a(child, ActorRef):
            return self._running.get(child) or self._waiting.get(child.actor_urn)
        return None


class SimpleOneForOne(_Dynamic):
    """OTP's `simple_one_for_one`: any number of instances of one template.

        await system.spawn(SimpleOneForOne, "sessions", [ChildSpec(id="session", start=session)])
        ref = await start_instance(sessions, "anna")  # calls session("anna"), at each restart too

    Args:
        name: registered while it lives.
        children: exactly one specification, the template.
        flags: by default one restart in five seconds, of all instances together.
        clock: of its restarts.

    Its start fails with `InvalidSpec` as that of `Supervisor` does, and if there is not exactly one
    specification (`bad_start_spec`).
    """

    strategies = (Strategy.SIMPLE_ONE_FOR_ONE,)

    _template: ChildSpec

    def __init__(
        self,
        name: str,
        children: Sequence[GivenChild],
        flags: GivenFlags | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, flags, clock)
        self._given_children = children

    def on_start(self) -> None:
        """Read the flags and the template; no child is started."""
        self._read_flags()
        if len(self._given_children) != 1:
            raise InvalidSpec("bad_start_spec", self._given_children)
        [self._template] = self._read_children(self._given_children)

    @receives(StartInstance, answers=(SupervisionError, InvalidSpec))
    async def on_start_instance(self, message: StartInstance) -> Started | ActorRef | None:
        """Answer `start_instance`."""
        return await self._start(Child(None, self._template, message.arguments))

    @receives(StartChild, answers=(SupervisionError,))
    async def on_start_child(self, message: StartChild) -> Started | ActorRef | None:
        """Answer `start_child`, which starts the template without arguments."""
        raise OnlyInstances(self._template.id)

    @receives(TerminateChild, answers=(SupervisionError,))
    async def on_terminate_child(self, message: TerminateChild) -> None:
        """Answer `terminate_child`. As in OTP, a dead actor counts as a terminated one."""
        if not self._is_gone(message.child):
            await super().on_terminate_child(message)

    @receives(GetChildSpec, answers=(SupervisionError,))
    def on_get_childspec(self, message: GetChildSpec) -> ChildSpec:
        """Answer `get_childspec`. As in OTP, a dead actor counts as an instance."""
        child = message.child
        if is_a(child, str):
            if plain(child) != self._template.id:
                raise ChildNotFound(plain(child))
        elif not self._is_gone(child):
            self._find_present(child)
        return self._template.complete()

    def _is_gone(self, child: str | ActorRef) -> bool:
        return self._find(child) is None and is_a(child, ActorRef) and not child.is_alive()

    @receives(CountChildren)
    def on_count_children(self, _: CountChildren) -> Counts:
        """Answer `count_children`. As in OTP, it includes the dead that were not noticed yet."""
        instances = len(self._running) + len(self._waiting)
        supervises = self._template.type == ChildType.SUPERVISOR
        return Counts(
            specs=1,
            active=len(self._running),
            supervisors=instances if supervises else 0,
            workers=0 if supervises else instances,
        )

    def _report_stops(self, ends: Sequence[tuple[Child, ExitReason]]) -> None:
        """Report the failures by reason, as OTP does: there may be thousands."""
        spec = self._template
        failures = Counter(
            (decisions.term_order(reason), str(reason))
            for _, reason in ends
            if decisions.is_shutdown_error(spec.restart, spec.shutdown_limit, reason)
        )
        for (_, reason), count in sorted(failures.items()):
            self._report.stops_failed(spec, reason, count, self._in_period())


class DynamicSupervisor(_Dynamic):
    """Elixir's `DynamicSupervisor`: children are added while it runs, each with its specification.

    Their ids only appear in reports and need not be unique. No child is significant.

    Args:
        name: registered while it lives.
        flags: by default one restart in five seconds, of all children together.
        max_children: how many there may be, those that wait for a restart attempt included.
        clock: of its restarts.
    """

    strategies = (Strategy.ONE_FOR_ONE,)

    def __init__(
        self,
        name: str,
        flags: GivenFlags | None = None,
        *,
        max_children: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(name, flags, clock)
        self.max_children = max_children

    def on_start(self) -> None:
        """Read the flags."""
        self._read_flags()
        if self.flags.auto_shutdown != AutoShutdown.NEVER:
            fault = InvalidSpec("invalid_auto_shutdown", self.flags.auto_shutdown)
            raise InvalidSpec("supervisor_data", fault)

    @receives(StartChild, answers=(SupervisionError, InvalidSpec))
    async def on_start_child(self, message: StartChild) -> Started | ActorRef | None:
        """Answer `start_child`."""
        spec = read_child(message.spec, AutoShutdown.NEVER)
        check_requires(spec, siblings={})
        present = len(self._running) + len(self._waiting)
        if self.max_children is not None and present >= self.max_children:
            raise MaxChildren(spec.id, self.max_children)
        return await self._start(Child(None, spec))

    @receives(GetChildSpec, answers=(SupervisionError,))
    def on_get_childspec(self, message: GetChildSpec) -> ChildSpec:
        """Answer `get_childspec`."""
        return self._find_present(message.child).spec.complete()

    @receives(CountChildren)
    def on_count_children(self, _: CountChildren) -> Counts:
        """Answer `count_children`."""
        children = tuple(self._members())
        supervisors = sum(child.spec.type == ChildType.SUPERVISOR for child in children)
        return Counts(
            specs=len(children),
            active=len(self._running),
            supervisors=supervisors,
            workers=len(children) - supervisors,
        )

    def _report_stops(self, ends: Sequence[tuple[Child, ExitReason]]) -> None:
        for child, reason in ends:
            self._report_stop(child, reason)
