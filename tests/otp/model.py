"""A model of OTP's supervisors: what is left of a tree when one thing has happened to it.

Synchronous, without actors or time limits, and written from OTP's rules alone, so that what it
shares with the real supervisors is what both got from there. A step is an action and all that
follows from it, up to rest: a failing restart has succeeded or exhausted its supervisor by then.
"""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

SIMPLE = "simple_one_for_one"
BRUTAL_KILL = "brutal_kill"
ORDERLY = ("normal", "shutdown")

Row: TypeAlias = tuple[str, str, int]  # who, its status, how often it has been started
View: TypeAlias = dict[str, tuple[Row, ...]]  # by path, of each living supervisor


@dataclass(frozen=True, kw_only=True)
class WorkerPlan:
    """A child, and how its starts and stops go. The outcomes repeat."""

    id: str
    restart: str = "permanent"
    shutdown: float | str = math.inf
    significant: bool = False
    outcomes: tuple[str, ...] = ("ok",)
    traps_exits: bool = False
    has_thread: bool = False
    start_s: float = 0.0
    stop_s: float = 0.0

    def outcome(self, attempt: int) -> str:
        """Return what becomes of a start: `ok`, `failed` or `ignored`."""
        return self.outcomes[(attempt - 1) % len(self.outcomes)]


@dataclass(frozen=True, kw_only=True)
class SupervisorPlan(WorkerPlan):
    """A child that supervises; the only child of a `simple_one_for_one` is the template."""

    strategy: str = "one_for_one"
    max_restarts: int = 1
    period_s: int = 5
    auto_shutdown: str = "never"
    children: tuple[WorkerPlan, ...] = ()

    @property
    def is_simple(self) -> bool:
        return self.strategy == SIMPLE


@dataclass(eq=False)
class Place:
    """What a supervisor remembers of a child."""

    id: str
    path: str
    plan: WorkerPlan
    starts: int = 0
    life: "Life | None" = None


@dataclass(eq=False)
class Life:
    """One life of a child; of a worker there is nothing to tell."""

    place: Place
    owner: "Life | None"
    places: dict[str, Place] = field(default_factory=dict)  # in start order
    restarts: list[int] = field(default_factory=list)


class StartFailed(Exception):
    """A child did not start."""


class _GivesUp(Exception):
    """A supervisor ends: one restart too many, or nobody significant is left."""


class Model:
    """A tree, from its start on.

    Attributes:
        now: in seconds.
        log: who started, failed to, was ignored or ended since `take`, as `path event`.
        is_ordered: False if some who ended since then did so at the same time.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self.log: list[str] = []
        self.is_ordered = True
        self.root: Life | None = None
        self._attempts: Counter[str] = Counter()

    def take(self) -> tuple[list[str], bool]:
        """Return the log, and whether its order is certain; begin a new one."""
        taken = self.log, self.is_ordered
        self.log, self.is_ordered = [], True
        return taken

    def view(self) -> View:
        """Return what the living supervisors say of their children."""
        return {} if self.root is None else dict(_rows(self.root))

    def counts(self) -> dict[str, tuple[int, ...]]:
        """Return how many specifications, living, supervisors and workers each of them has."""
        return {} if self.root is None else dict(_counts(self.root))

    # --- actions ----------------------------------------------------------------------------

    def start_root(self, plan: SupervisorPlan) -> None:
        """Start the tree; raise `StartFailed` if that fails."""
        place = Place(plan.id, plan.id, plan)
        self._start(None, place)
        self.root = place.life

    def stop_root(self) -> None:
        """Stop the tree as its parent does."""
        if self.root is not None:
            self._stop(self.root.place)
            self.root = None

    def end(self, path: str, reason: str) -> None:
        """Let a worker end by itself; a supervisor does not know how."""
        life = self._find(path)
        if life is not None and not _supervises(life.place.plan):
            self._ends(life, reason)

    def signal(self, path: str, reason: str) -> None:
        """Let a stranger send an exit signal: those who trap exits ignore it."""
        life = self._find(path)
        if life is None or _supervises(life.place.plan) or life.place.plan.traps_exits:
            return
        if reason != "normal":
            self._ends(life, reason)

    def kill(self, path: str) -> None:
        """Kill anybody."""
        life = self._find(path)
        if life is not None:
            self._ends(life, "killed")

    def start_child(self, path: str, child: str, plan: WorkerPlan) -> str:
        """Return the answer; `plan` is that of the new child, or the template."""
        life = self._find(path)
        if life is None:
            return self._absent(path)
        present = life.places.get(child)
        if present is not None:
            return "already_present" if present.life is None else "already_started"
        place = life.places[child] = Place(child, f"{path}/{child}", plan)
        try:
            return self._start(life, place)
        except StartFailed:
            del life.places[child]
            return "start_failed"

    def terminate_child(self, path: str, child: str) -> str:
        """Return the answer. Whoever is dead is an instance that has been terminated."""
        life = self._find(path)
        if life is None:
            return self._absent(path)
        place = life.places.get(child)
        if place is None:
            return "ok" if life.place.plan.is_simple else "not_found"
        self._stop(place)
        self._retire(life, place)
        return "ok"

    def restart_child(self, path: str, child: str) -> str:
        """Return the answer."""
        answer, place = self._stopped(path, child)
        if place is None:
            return answer
        try:
            return self._start(self._find(path), place)
        except StartFailed:
            return "start_failed"

    def delete_child(self, path: str, child: str) -> str:
        """Return the answer."""
        answer, place = self._stopped(path, child)
        life = self._find(path)
        if place is not None and life is not None:
            del life.places[child]
        return answer

    def _stopped(self, path: str, child: str) -> tuple[str, Place | None]:
        """Return the child if it is there and does not run, else what is answered instead."""
        life = self._find(path)
        if life is None:
            return self._absent(path), None
        if life.place.plan.is_simple:
            return SIMPLE, None
        place = life.places.get(child)
        if place is None:
            return "not_found", None
        return ("ok", place) if place.life is None else ("running", None)

    def _absent(self, path: str) -> str:
        return "unavailable" if self._attempts[path] else "nobody"

    def _find(self, path: str) -> Life | None:
        life = self.root
        for child in path.split("/")[1:]:
            place = None if life is None else life.places.get(child)
            life = None if place is None else place.life
        return life

    # --- one child ends ---------------------------------------------------------------------

    def _ends(self, life: Life, reason: str) -> None:
        """End a life by itself or by a kill, and let those above act on it."""
        place, owner = life.place, life.owner
        if _supervises(place.plan) and reason == "killed":
            self._orphan(life)
        self._log(place, "ended")
        place.life = None
        if owner is None:
            self.root = None
            return
        try:
            self._on_end(owner, place, reason)
        except _GivesUp:
            self._stop_children(owner)
            self._ends(owner, "shutdown")

    def _on_end(self, owner: Life, place: Place, reason: str) -> None:
        restart = place.plan.restart
        if restart == "permanent" or (restart == "transient" and reason not in ORDERLY):
            failed: Place | None = place
            while failed is not None:
                self._count_restart(owner)
                failed = self._revive(owner, failed)
            return
        self._retire(owner, place)
        if not place.plan.significant:
            return
        left = [each for each in owner.places.values() if each.plan.significant and each.life]
        mode = _flags(owner).auto_shutdown
        if mode == "any_significant" or (mode == "all_significant" and not left):
            raise _GivesUp

    def _count_restart(self, owner: Life) -> None:
        flags, second = _flags(owner), math.floor(self.now)
        recent = [at for at in owner.restarts if at >= second - flags.period_s]
        owner.restarts = [*recent, second]
        if len(owner.restarts) > flags.max_restarts:
            raise _GivesUp

    def _revive(self, owner: Life, failed: Place) -> Place | None:
        """Restart a child and its group; return whose start failed, if any did."""
        group = _group(owner, failed)
        for place in reversed(group):
            if place is not failed:
                self._stop(place)
                self._retire(owner, place)
        for place in group:
            if owner.places.get(place.id) is place:
                try:
                    self._start(owner, place)
                except StartFailed:
                    return place
        return None

    def _retire(self, owner: Life, place: Place) -> None:
        """Forget a temporary child and an instance; others stay listed."""
        if place.plan.restart == "temporary" or _flags(owner).is_simple:
            del owner.places[place.id]

    # --- starting and stopping --------------------------------------------------------------

    def _start(self, owner: Life | None, place: Place) -> str:
        plan = place.plan
        self._attempts[place.path] += 1
        outcome = plan.outcome(self._attempts[place.path])
        if outcome != "ok":
            self._log(place, outcome)
            if outcome == "failed":
                raise StartFailed
            if owner is not None:
                self._retire(owner, place)
            return outcome
        life = Life(place, owner)
        if isinstance(plan, SupervisorPlan) and not plan.is_simple:
            self._start_children(life, plan)
        place.life = life
        place.starts += 1
        self._log(place, "started")
        return "ok"

    def _start_children(self, life: Life, plan: SupervisorPlan) -> None:
        for each in plan.children:
            place = life.places[each.id] = Place(each.id, f"{life.place.path}/{each.id}", each)
            try:
                self._start(life, place)
            except StartFailed:
                self._stop_children(life)
                raise

    def _stop(self, place: Place) -> None:
        life = place.life
        if life is None:
            return
        if place.plan.shutdown == BRUTAL_KILL:
            self._orphan(life)
        else:
            self._stop_children(life)
        place.life = None
        self._log(place, "ended")

    def _stop_children(self, life: Life) -> None:
        """Stop them in reverse order, those of a `simple_one_for_one` all at once."""
        if life.places and _flags(life).is_simple:
            self.is_ordered = False
        for place in reversed(life.places.values()):
            self._stop(place)

    def _orphan(self, life: Life) -> None:
        """End all below a killed supervisor: each hears of it by its link, in any order."""
        if life.places:
            self.is_ordered = False
        for place in life.places.values():
            self._stop(place)

    def _log(self, place: Place, event: str) -> None:
        self.log.append(f"{place.path} {event}")


def _supervises(plan: WorkerPlan) -> bool:
    return isinstance(plan, SupervisorPlan)


def _flags(life: Life) -> SupervisorPlan:
    plan = life.place.plan
    assert isinstance(plan, SupervisorPlan)
    return plan


def _group(owner: Life, failed: Place) -> list[Place]:
    places = list(owner.places.values())
    match _flags(owner).strategy:
        case "one_for_all":
            return places
        case "rest_for_one":
            return places[places.index(failed) :]
    return [failed]


def _supervisors(life: Life) -> Iterator[Life]:
    yield life
    for place in life.places.values():
        if place.life is not None and _supervises(place.plan):
            yield from _supervisors(place.life)


def _counts(root: Life) -> Iterator[tuple[str, tuple[int, ...]]]:
    for life in _supervisors(root):
        places = life.places.values()
        supervisors = sum(_supervises(place.plan) for place in places)
        yield (
            life.place.path,
            (
                1 if _flags(life).is_simple else len(places),
                sum(place.life is not None for place in places),
                supervisors,
                len(places) - supervisors,
            ),
        )


def _rows(root: Life) -> Iterator[tuple[str, tuple[Row, ...]]]:
    for life in _supervisors(root):
        places = list(life.places.values())
        if _flags(life).is_simple:
            places.sort(key=lambda place: place.id)
        yield (
            life.place.path,
            tuple((each.id, "running" if each.life else "stopped", each.starts) for each in places),
        )
