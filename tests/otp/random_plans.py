"""Random plans: trees, and what is done to them. The same seed draws the same ones."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from tests.otp.model import BRUTAL_KILL, SIMPLE, SupervisorPlan, WorkerPlan

T = TypeVar("T")

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one")
AUTO_SHUTDOWNS = ("never", "never", "any_significant", "all_significant")
TROUBLE = ("ok", "ok", "failed", "failed", "ignored")
REASONS = ("normal", "shutdown", "crash", "crash", "crash")
CALLS = ("start_child", "terminate_child", "restart_child", "delete_child")
ROOT = "root"


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing that is done to a tree; `pause_s` before it."""

    do: str
    path: str = ROOT
    child: str = ""
    reason: str = ""
    plan: WorkerPlan | None = None
    seconds: int = 0
    pause_s: float = 0.0

    def __str__(self) -> str:
        """Return what a report shows."""
        what = self.child or self.reason or (str(self.seconds) if self.seconds else "")
        shown = f"{self.do} {self.path} {what}".rstrip()
        return shown if self.plan is None else f"{shown}: {self.plan}"


class Draw:
    """Draws one tree, then actions upon it.

    Attributes:
        plans: by path, of everyone who is in the tree or may come.
    """

    def __init__(self, random: Random, *, threads: bool) -> None:
        self._random = random
        self._threads = threads
        self._names = 0
        self.plans: dict[str, WorkerPlan] = {}

    def tree(self) -> SupervisorPlan:
        """Draw a tree of one to three levels."""
        root = self._supervisor(ROOT, self._random.randint(1, 3), parent_shuts_down="never")
        self._enter("", root)
        return root

    def actions(self, count: int, *, concurrent: bool) -> list[Action]:
        """Draw actions; concurrent ones have pauses before them, and no time passes."""
        return [self._action(concurrent=concurrent) for _ in range(count)]

    # --- trees ------------------------------------------------------------------------------

    def _supervisor(self, id_: str, levels: int, parent_shuts_down: str) -> SupervisorPlan:
        random = self._random
        is_root = id_ == ROOT
        auto_shutdown = random.choice(AUTO_SHUTDOWNS)
        if is_root and self._maybe(0.7):  # one that ends early ends the episode
            auto_shutdown = "never"
        is_simple = not is_root and self._maybe(0.2)
        if is_simple:
            children: tuple[WorkerPlan, ...] = (self._worker("template", auto_shutdown),)
        else:
            children = tuple(
                self._child(levels - 1, auto_shutdown) for _ in range(random.randint(1, 4))
            )
        restart = random.choice(("permanent", "permanent", "transient", "temporary"))
        return SupervisorPlan(
            id=id_,
            restart=restart,
            shutdown=BRUTAL_KILL if self._maybe(0.15) and not is_root else math.inf,
            significant=self._significant(restart, parent_shuts_down),
            outcomes=("ok",) if is_root else self._outcomes(),
            strategy=SIMPLE if is_simple else random.choice(STRATEGIES),
            max_restarts=random.choice((3, 5, 20) if is_root else (0, 1, 1, 2, 3, 20)),
            period_s=random.choice((1, 1, 5, 30)),
            auto_shutdown=auto_shutdown,
            children=children,
        )

    def _child(self, levels: int, auto_shutdown: str) -> WorkerPlan:
        if levels > 0 and self._maybe(0.4):
            return self._supervisor(self._name("s"), levels, auto_shutdown)
        return self._worker(self._name("w"), auto_shutdown)

    def _worker(self, id_: str, auto_shutdown: str) -> WorkerPlan:
        random = self._random
        restart = random.choice(("permanent", "transient", "temporary"))
        return WorkerPlan(
            id=id_,
            restart=restart,
            shutdown=random.choice((BRUTAL_KILL, 0.0, 0.002, 5.0, math.inf)),
            significant=self._significant(restart, auto_shutdown),
            outcomes=self._outcomes(),
            traps_exits=self._maybe(0.5),
            has_thread=self._threads and self._maybe(0.1),
            start_s=self._delay_s(),
            stop_s=self._delay_s(),
        )

    def _significant(self, restart: str, auto_shutdown: str) -> bool:
        return auto_shutdown != "never" and restart != "permanent" and self._maybe(0.6)

    def _outcomes(self) -> tuple[str, ...]:
        if self._maybe(0.75):
            return ("ok",)
        return ("ok", *self._random.choices(TROUBLE, k=self._random.randint(1, 4)))

    def _delay_s(self) -> float:
        return self._random.uniform(0.0, 0.005) if self._maybe(0.3) else 0.0

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    def _maybe(self, chance: float) -> bool:
        return self._random.random() < chance

    def _enter(self, parent: str, plan: WorkerPlan) -> None:
        path = f"{parent}/{plan.id}" if parent else plan.id
        self.plans[path] = plan
        if isinstance(plan, SupervisorPlan) and not plan.is_simple:
            for child in plan.children:
                self._enter(path, child)

    # --- actions ----------------------------------------------------------------------------

    def _action(self, *, concurrent: bool) -> Action:
        random = self._random
        pause_s = random.choice((0.0, random.uniform(0.0, 0.003))) if concurrent else 0.0
        if not concurrent and self._maybe(0.15):
            return Action(do="advance", seconds=random.choice((1, 1, 2, 4, 5)))
        doing = random.choices(("end", "signal", "kill", "call"), weights=(35, 8, 12, 45))[0]
        if doing == "call":
            return self._call(pause_s)
        below = [path for path in self.plans if path != ROOT] or [ROOT]
        path = ROOT if doing == "kill" and self._maybe(0.03) else random.choice(below)
        reason = "killed" if doing == "kill" else random.choice(REASONS)
        return Action(do=doing, path=path, reason=reason, pause_s=pause_s)

    def _call(self, pause_s: float) -> Action:
        path, supervisor = self._random.choice(list(self._supervisors()))
        call = self._random.choice(CALLS)
        known = [
            each.rpartition("/")[2] for each in self.plans if each.rpartition("/")[0] == path
        ] or ["nobody"]
        if call != "start_child":
            return Action(do=call, path=path, child=self._random.choice(known), pause_s=pause_s)
        child, plan = self._new_child(path, supervisor, known)
        return Action(do=call, path=path, child=child, plan=plan, pause_s=pause_s)

    def _supervisors(self) -> Iterator[tuple[str, SupervisorPlan]]:
        for path, plan in self.plans.items():
            if isinstance(plan, SupervisorPlan):
                yield path, plan

    def _new_child(
        self, path: str, supervisor: SupervisorPlan, known: list[str]
    ) -> tuple[str, WorkerPlan]:
        if supervisor.is_simple:
            name = self._name("i")
            self.plans[f"{path}/{name}"] = supervisor.children[0]
            return name, supervisor.children[0]
        present = self.plans.get(f"{path}/{self._random.choice(known)}")
        if present is not None and self._maybe(0.5):
            return present.id, present
        new = self._child(1 if path == ROOT else 0, supervisor.auto_shutdown)
        self._enter(path, new)
        return new.id, new
