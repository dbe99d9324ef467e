"""Replaces worker processes by the thousand, under load, and counts what should not be there.

python -m tests.recycles --recycles 10000 --seed 7

Every task has a process of its own and leaves children behind; some crash, or are past their limit.
Ends with 1 if a task had another outcome than its own, or if a zombie or a stray process is left.
"""

import argparse
import asyncio
import gc
import os
import random
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec

from taskqueue.api.handler import ExecutorKind
from taskqueue.api.loading import load_app
from taskqueue.executors.attempt import attempt
from taskqueue.executors.process.pool import ProcessExecutor
from taskqueue.logs import pipeline as logs
from taskqueue.rules.recycling import ProcessPolicy
from taskqueue.rules.tasks import Crashed, Outcome, Succeeded, TimedOut
from taskqueue.structs import Struct
from taskqueue.testing.claims import claimed
from tests.executors.procs import descendants, gone

SLOTS = 4
LOOK_S = 0.05
BURIED_S = 10.0  # who was not reaped by then stays a zombie, however busy the machine

# What a task does, the outcome it must have, and how often it is drawn.
KINDS: tuple[tuple[str, dict[str, object], type[Outcome], int], ...] = (
    ("pid", {}, Succeeded, 60),
    ("parent", {"sleeps": ["0.01", "60"]}, Succeeded, 30),
    ("signal", {"number": 9}, Crashed, 9),
    ("hang", {}, TimedOut, 1),
)


class Report(Struct):
    """What a run has found."""

    outcomes: dict[str, int]
    lost: int  # tasks without their own outcome
    zombies: int
    strays: int
    rss_begin_mb: float
    rss_end_mb: float
    took_s: float

    @property
    def is_clean(self) -> bool:
        """Whether everything was as it should be."""
        return not (self.lost or self.zombies or self.strays)


async def storm(recycles: int, seed: int) -> Report:
    """Have `recycles` tasks run, each in a process of its own, and see what is left of them."""
    draw = random.Random(seed)
    app = load_app("tests.executors.processes:app")
    executor = ProcessExecutor(app, SLOTS, ProcessPolicy(max_tasks=1))
    weights = [weight for *_, weight in KINDS]
    left = iter(draw.choices(KINDS, weights, k=recycles))
    outcomes: Counter[str] = Counter()
    lost = 0

    async def work() -> None:
        nonlocal lost
        for action, data, expected, _ in left:
            task = claimed(app.prepare(action, msgspec.json.encode(data)))
            outcome = await attempt(app, task, {ExecutorKind.PROCESS: executor})
            outcomes[type(outcome).__name__] += 1
            lost += type(outcome) is not expected

    began = time.monotonic()
    rss_begin_mb = _rss_mb()
    await asyncio.gather(*(work() for _ in range(SLOTS)))
    zombies = await _unburied()
    executor.close()
    strays = await _left_over()
    gc.collect()
    return Report(
        outcomes=dict(outcomes),
        lost=lost + recycles - outcomes.total(),
        zombies=zombies,
        strays=strays,
        rss_begin_mb=rss_begin_mb,
        rss_end_mb=_rss_mb(),
        took_s=time.monotonic() - began,
    )


async def _unburied() -> int:
    """Return how many zombies there are that nobody reaps."""
    end = time.monotonic() + BURIED_S
    while (zombies := _zombies()) and time.monotonic() < end:  # noqa: ASYNC110 - no event
        await asyncio.sleep(LOOK_S)
    return zombies


def _zombies() -> int:
    return sum(state == "Z" for state in descendants(os.getpid()).values())


async def _left_over() -> int:
    """Return how many processes below us outlive the executor by long."""
    try:
        await gone(*descendants(os.getpid()))
    except TimeoutError:
        return len(descendants(os.getpid()))
    return 0


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recycles", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")  # noqa: T201
    logs.configure("auto", "error")
    report = asyncio.run(storm(asked.recycles, asked.seed))
    for name, value in msgspec.structs.asdict(report).items():
        print(f"{name}: {value if not isinstance(value, float) else round(value, 1)}")  # noqa: T201
    return 0 if report.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
