"""Trees of real actors after plans, what may be done to them, and the journal of their lives."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Exit,
    ExitReason,
    Ignore,
    System,
    receives,
    stop,
    tell,
)
from taskqueue.supervision import (
    BRUTAL_KILL,
    AutoShutdown,
    ChildSpec,
    ChildStatus,
    ChildType,
    Counts,
    Flags,
    Intensity,
    Overview,
    Restart,
    SimpleOneForOne,
    Strategy,
    SupervisionError,
    Supervisor,
    count_children,
    delete_child,
    overview,
    restart_child,
    start_child,
    start_instance,
    terminate_child,
)
from taskqueue.testing.actors import End
from tests.otp.model import Row, SupervisorPlan, View, WorkerPlan
from tests.otp.random_plans import Action
from tests.otp.scenario import Clock

REASONS: dict[str, ExitReason] = {
    "normal": NORMAL,
    "shutdown": SHUTDOWN,
    "crash": Crash("crashed on command"),
}


class Line(NamedTuple):
    """Something that happened to a child: `owner` is the life of its supervisor."""

    owner: str
    path: str
    event: str

    def __str__(self) -> str:
        """Return it as the model writes it."""
        return f"{self.path} {self.event}"


@dataclass(frozen=True)
class Birth:
    """One attempt at a start."""

    forest: "Forest"
    owner: str
    path: str
    nth: int
    plan: WorkerPlan

    @property
    def label(self) -> str:
        return f"{self.path}#{self.nth}"

    def play(self, ref: ActorRef) -> None:
        """Do what the plan says of this attempt."""
        self.forest.latest[self.path] = ref
        outcome = self.plan.outcome(self.nth)
        if outcome == "ok":
            return
        self.write(outcome)
        raise Exit(Crash("no start")) if outcome == "failed" else Ignore

    def write(self, event: str) -> None:
        self.forest.journal.append(Line(self.owner, self.path, event))


class PlannedWorker(Actor):
    """A worker whose starts and stops take the time and the turn that are planned."""

    def __init__(self, birth: Birth) -> None:
        super().__init__()
        self.label = birth.label
        self._birth = birth

    async def on_start(self) -> None:
        birth = self._birth
        birth.forest.latest[birth.path] = self.ref
        await asyncio.sleep(birth.plan.start_s)  # its work
        birth.play(self.ref)
        self.own(partial(birth.write, "ended"))
        birth.write("started")

    async def on_stop(self) -> None:
        await asyncio.sleep(self._birth.plan.stop_s)  # its work

    @receives(End)
    def on_end(self, message: End) -> None:
        raise Exit(message.reason)


class Trapping(PlannedWorker):
    trap_exit = True


class WithThread(PlannedWorker):
    dedicated_host = True


class TrappingWithThread(Trapping):
    dedicated_host = True


WORKERS = {
    (False, False): PlannedWorker,
    (True, False): Trapping,
    (False, True): WithThread,
    (True, True): TrappingWithThread,
}


class Planned(Actor):
    """A supervisor whose starts take the turn that is planned."""

    def __init__(self, birth: Birth, *args: Any) -> None:
        super().__init__(birth.label, *args)
        self._birth = birth

    async def on_start(self) -> None:
        self._birth.play(self.ref)
        hook = super().on_start()
        if hook is not None:
            await hook
        self.own(partial(self._birth.write, "ended"))
        self._birth.write("started")


class PlannedSupervisor(Planned, Supervisor):
    """A static one."""


class PlannedSimpleOneForOne(Planned, SimpleOneForOne):
    """One with instances."""


@dataclass
class Sight:
    """What all supervisors of a tree say at about the same time."""

    overviews: dict[str, Overview]
    counts: dict[str, Counts]
    labels: dict[str, str]
    refs: set[ActorRef]
    is_settled: bool

    def view(self) -> View:
        """Return what the model predicts."""
        return {path: tuple(_rows(view)) for path, view in self.overviews.items()}


class Forest:
    """A tree and all who ever were in it.

    Attributes:
        latest: by path, the last one who began to start there.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.clock = Clock()
        self.journal: list[Line] = []
        self.latest: dict[str, ActorRef] = {}
        self.doomed: list[ActorRef] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.root: ActorRef | None = None
        self._attempts: Counter[str] = Counter()
        self._taken = 0

    async def plant(self, plan: SupervisorPlan) -> None:
        """Start the tree.

        Raises:
            StartFailed: so it was planned.
        """
        self._stranger = await self.system.spawn(Actor)
        await stop(self._stranger, NORMAL)
        birth = self._birth(plan, "", plan.id)
        kind, *args = self._supervisor(birth, plan)
        self.root = await self.system.spawn(kind, *args)

    def take(self) -> list[str]:
        """Return the journal since the last time."""
        new, self._taken = self.journal[self._taken :], len(self.journal)
        return [str(line) for line in new]

    # --- the tree ---------------------------------------------------------------------------

    def spec(self, plan: WorkerPlan, owner: str) -> ChildSpec:
        """Specify a child of this life of a supervisor."""
        supervises = isinstance(plan, SupervisorPlan)
        return ChildSpec(
            id=plan.id,
            start=partial(self._start, plan, owner),
            restart=Restart(plan.restart),
            shutdown=plan.shutdown if isinstance(plan.shutdown, float) else BRUTAL_KILL,
            type=ChildType.SUPERVISOR if supervises else ChildType.WORKER,
            significant=plan.significant,
        )

    async def _start(self, plan: WorkerPlan, owner: str, instance: str | None = None) -> ActorRef:
        birth = self._birth(plan, owner, f"{owner.rpartition('#')[0]}/{instance or plan.id}")
        if isinstance(plan, SupervisorPlan):
            kind, *args = self._supervisor(birth, plan)
            return await kind.start_link(*args)
        return await WORKERS[plan.traps_exits, plan.has_thread].start_link(birth)

    def _birth(self, plan: WorkerPlan, owner: str, path: str) -> Birth:
        self._attempts[path] += 1
        return Birth(self, owner, path, self._attempts[path], plan)

    def _supervisor(self, birth: Birth, plan: SupervisorPlan) -> tuple[Any, ...]:
        flags = Flags(
            strategy=Strategy(plan.strategy),
            intensity=Intensity(max_restarts=plan.max_restarts, period_s=plan.period_s),
            auto_shutdown=AutoShutdown(plan.auto_shutdown),
        )
        kind = PlannedSimpleOneForOne if plan.is_simple else PlannedSupervisor
        children = [self.spec(child, birth.label) for child in plan.children]
        return kind, birth, children, flags, self.clock

    # --- actions ----------------------------------------------------------------------------

    async def perform(self, action: Action) -> str:
        """Do it; return the answer, which a call alone has."""
        if action.do == "advance":
            self.clock.seconds += action.seconds
            return ""
        ref = self.latest.get(action.path)
        if action.do in ("end", "signal", "kill"):
            if ref is not None:
                self._harm(ref, action)
            return ""
        if ref is None:
            return "nobody"
        self.calls[ref.label, action.do, action.child] += 1
        try:
            return await self._call(ref, action)
        except SupervisionError as error:
            return error.tag
        except ActorUnavailable:
            return "unavailable"

    def _harm(self, ref: ActorRef, action: Action) -> None:
        supervises = issubclass(ref.actor_class, Planned)
        match action.do:
            case "kill":
                ref.kill()
                self.doomed.append(ref)
            case "end" if not supervises:
                tell(ref, End(reason=REASONS[action.reason]))
                self.doomed.append(ref)
            case "signal":
                ref.exit(REASONS[action.reason])
                if not ref.actor_class.trap_exit and action.reason != "normal":
                    self.doomed.append(ref)

    async def _call(self, ref: ActorRef, action: Action) -> str:
        simple = issubclass(ref.actor_class, SimpleOneForOne)
        match action.do:
            case "start_child" if simple:
                return _started(await start_instance(ref, action.child))
            case "start_child":
                assert action.plan is not None
                return _started(await start_child(ref, self.spec(action.plan, ref.label)))
            case "restart_child":
                return _started(await restart_child(ref, action.child))
            case "delete_child":
                await delete_child(ref, action.child)
            case "terminate_child":
                instance = self.latest.get(f"{action.path}/{action.child}", self._stranger)
                await terminate_child(ref, instance if simple else action.child)
        return "ok"

    # --- what is to be seen -----------------------------------------------------------------

    async def look(self) -> Sight:
        """Ask all supervisors, from the root down, for their children."""
        sight = Sight({}, {}, {}, set(), is_settled=True)
        if self.root is not None and self.root.is_alive():
            await self._look(self.root, sight)
        return sight

    async def _look(self, ref: ActorRef, sight: Sight) -> None:
        path = ref.label.rpartition("#")[0]
        sight.refs.add(ref)
        sight.labels[path] = ref.label
        try:
            view = sight.overviews[path] = await overview(ref)
            sight.counts[path] = await count_children(ref)
        except ActorUnavailable:
            sight.is_settled = False
            return
        for child in view.children:
            if child.status == ChildStatus.RESTARTING:
                sight.is_settled = False
            if child.ref is not None:
                sight.refs.add(child.ref)
                sight.is_settled &= child.ref.is_alive()
                if issubclass(child.ref.actor_class, Planned):
                    await self._look(child.ref, sight)

    async def rest(self) -> Sight:
        """Wait until nothing that was begun goes on.

        Each answer comes after all that its supervisor had in its mailbox, so two equal sights of
        children who all live are one of a tree at rest.
        """
        for ref in self.doomed:
            await ref.ended()
        last = await self.look()
        while True:
            sight = await self.look()
            if sight.is_settled and sight == last:
                break
            last = sight
        for orphan in set(self.system.actors) - sight.refs:
            await orphan.ended()
        return sight


def _started(answer: object) -> str:
    return "ignored" if answer is None else "ok"


def _rows(view: Overview) -> list[Row]:
    rows = [
        (each.id or _name(each.ref), str(each.status), each.incarnation) for each in view.children
    ]
    return sorted(rows) if view.strategy == Strategy.SIMPLE_ONE_FOR_ONE else rows


def _name(ref: ActorRef | None) -> str:
    return "" if ref is None else ref.label.rpartition("#")[0].rpartition("/")[2]
