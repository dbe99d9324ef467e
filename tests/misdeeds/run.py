"""A run: one life of the service after the other until the time is up. Failures are shrunk."""

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.misdeeds.kinds import Kind
from tests.misdeeds.ledger import violations
from tests.misdeeds.life import Notes, live
from tests.misdeeds.plan import Plan, drawn, misdeeds_of
from tests.misdeeds.shrink import shrunk

SHRINK_S = 120.0  # for each failure, at most
MOST_FAILURES = 10  # that end the run


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A life in which the ledger has found something."""

    seed: str
    found: Mapping[str, Sequence[str]]  # of the plan as it was drawn
    least: Plan  # the smallest with the same finding
    least_found: Mapping[str, Sequence[str]]
    notes: Notes


@dataclass(kw_only=True)
class Run:
    """The sums of a run."""

    seed: int
    lives: int = 0
    waves: int = 0
    healthy: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)  # statuses of tasks that misbehaved
    outcomes: Counter[str] = field(default_factory=Counter)  # of their attempts
    slots_s: float = 0.0  # the longest
    stop_s: float = 0.0  # the longest
    failures: list[Failure] = field(default_factory=list)

    def count(self, notes: Notes) -> None:
        """Add the notes of one life."""
        self.lives += 1
        self.waves += len(notes.waves)
        self.stop_s = max(self.stop_s, notes.stop_s)
        for wave in notes.waves:
            self.slots_s = max(self.slots_s, wave.slots_s or 0.0)
            for each in wave.posted:
                if each.misdeed is None:
                    self.healthy += 1
                    continue
                self.kinds.update(each.misdeed.kinds)
                self.ends[str(each.shown.get("status"))] += 1
                self.outcomes.update(str(a["outcome"]) for a in each.shown.get("attempts", ()))


async def run(
    kinds: Sequence[Kind],
    *,
    seconds: float,
    seed: int,
    on_failure: Callable[[Failure], None],
    shrink_s: float = SHRINK_S,
) -> Run:
    """Run generated plans for this many seconds, each against a new service in a new folder.

    Args:
        kinds: what the generated handlers are made of.
        seconds: when to start no further service.
        seed: decides what is generated, but not how threads and processes are scheduled.
        on_failure: called with each failure at once.
        shrink_s: how long to search for a smaller plan with the same finding.
    """
    run = Run(seed=seed)
    end = time.monotonic() + seconds
    while time.monotonic() < end and len(run.failures) < MOST_FAILURES:
        life_seed = f"{seed}/{run.lives}"
        plan = drawn(random.Random(life_seed), kinds)
        notes = await in_new_folder(plan)
        run.count(notes)
        if found := violations(notes):
            failure = await _shrunk(life_seed, plan, found, notes, shrink_s)
            run.failures.append(failure)
            on_failure(failure)
    return run


async def in_new_folder(plan: Plan) -> Notes:
    """Run a plan in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="misdeeds-"))
    try:
        return await live(folder, plan)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _shrunk(
    seed: str, plan: Plan, found: Mapping[str, Sequence[str]], notes: Notes, shrink_s: float
) -> Failure:
    last = [(notes, found)]
    gravest = next(iter(found))

    async def fails(candidate: Plan) -> bool:
        again = await in_new_folder(candidate)
        found_again = violations(again)
        if gravest in found_again:
            last.append((again, found_again))
            return True
        return False

    # Only the gravest finding counts: a smaller plan may fail for a lesser reason.
    # The waves after the one that failed were never posted.
    least = await shrunk(plan[: max(1, len(notes.waves) - 1)], fails, within_s=shrink_s)
    least_notes, least_found = last[-1]
    return Failure(seed=seed, found=found, least=least, least_found=least_found, notes=least_notes)


def kinds_of(plan: Plan) -> Sequence[str]:
    """Return the names of all kinds in a plan."""
    return [name for misdeed in misdeeds_of(plan) for name in misdeed.kinds]
