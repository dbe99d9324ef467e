"""Many schedules on a simulated clock, killed and restarted at random: no slot fires twice.

Each schedule draws its timing, its zone, and what becomes of missed and overlapping slots; the
clock is set back and ahead. Something is decided of every slot, and those of schedules that leave
none out have all fired or wait, unless too many of them wait already.

    python -m tests.actors.test_schedule_simulation --schedules 2000 --hours 168

The storage is the file's, the clock is simulated. Kills fall between any two messages, and around
commits: an answer is lost before or after its commit, as with kill -9.
"""

import argparse
import asyncio
import random
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from taskqueue.actors.schedules.rounds import Rounds
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.filters import Sort, TaskFilter
from taskqueue.rules.schedules.deciding import MAX_WAITING
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Missed, Origin, Overlap, Slot, SlotOutcome
from taskqueue.rules.tasks import Status
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.clock import START

MINUTE_S, HOUR_S = 60.0, 3600.0
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")
JUMPS = 0.01  # of the steps; then the clock is moved
MOST_ROUNDS = 4  # in a step; runs that wait for each other end in one round each
TOO_MANY_WAIT = f"{MAX_WAITING} earlier slots wait already"
ENDING = 5  # tasks per schedule that may end in one step, of the oldest and of the newest


class Killed(Exception):
    """The process ends here."""


class Clock:
    """A clock that is moved by the simulation."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def wait(self, event: asyncio.Event, timeout_s: float) -> None:
        raise NotImplementedError


class MortalClient(StorageClient):
    """Calls a storage itself, and dies before or after a call at random."""

    def __init__(self, storage: Storage, dice: random.Random, chance: float) -> None:
        self._storage = storage
        self._dice = dice
        self._chance = chance

    async def use(self, verb, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        self._survive()
        answer = await getattr(self._storage, verb.__name__)(*args, **kwargs)
        self._survive()
        return answer

    def _survive(self) -> None:
        if self._dice.random() < self._chance:
            raise Killed


class Simulation:
    """A service that does nothing but fire schedules; it is killed now and then."""

    def __init__(self, path: Path, schedules: int, minutes: int, seed: int) -> None:
        self.dice = random.Random(seed)
        self.clock = Clock()
        self.kills = self.jumps = 0
        self.storage = SQLiteStorage(path, synchronous="NORMAL")  # no power is cut here
        self.plans = {f"s{number:04}": self._plan(number, minutes) for number in range(schedules)}
        self._app = App()

        @self._app.task("tick")
        async def tick(slot: str) -> None: ...

    async def start(self) -> None:
        """Declare the schedules."""
        await self.storage.migrate()
        await self.storage.open()
        declared = [
            Declared(name=name, plan=plan, origin=Origin.CODE) for name, plan in self.plans.items()
        ]
        await self.storage.declare_schedules(declared, now=self.clock.now())

    def _plan(self, number: int, minutes: int) -> Plan:
        """Draw a plan: mostly due every few minutes, at a second of its own."""
        at = f"{number % 60} */{minutes} * * * *"
        timing = self.dice.choice(
            [
                Timing(cron=at, timezone=self.dice.choice(ZONES)),
                Timing(cron=at, timezone=self.dice.choice(ZONES)),
                Timing(every_s=minutes * 60 + number % 7),
                Timing(cron=f"{number % 60} 15,45 1-3 * * *", timezone=self.dice.choice(ZONES)),
            ]
        )
        missed = self.dice.choice([*Missed])
        overlaps = [*Overlap] if missed is not Missed.ALL else [Overlap.ALLOW, Overlap.QUEUE]
        return Plan(
            action="tick",
            timing=timing,
            data='{"slot":"{slot}"}',
            missed=missed,
            within_s=self.dice.choice([None, None, HOUR_S]) if missed is Missed.LATEST else None,
            overlap=self.dice.choice(overlaps),
        )

    async def run(self, hours: float) -> None:
        """Let the time pass, in steps of up to twenty minutes; kill one round in three."""
        end = START + hours * HOUR_S
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + self._step_s())
            for _ in range(self.dice.randint(1, MOST_ROUNDS)):
                await self._decide()
                await self._end_some_tasks()
            await self.storage.trim_slots(before=START, limit=1)  # which notes what has ended

    async def _decide(self) -> None:
        """Decide of what is due, however often it takes a new life."""
        while not await self._round(chance=self.dice.choice((0, 0, 0.2 / len(self.plans)))):
            self.kills += 1

    def _step_s(self) -> float:
        if self.dice.random() > JUMPS:
            return self.dice.uniform(1, 20 * MINUTE_S)
        self.jumps += 1
        most = min(2 * HOUR_S, self.clock.time - START)  # not before they were created
        return self.dice.choice([-self.dice.uniform(0, most), self.dice.uniform(1, 6) * HOUR_S])

    async def _end_some_tasks(self) -> None:
        """End a share of the oldest and of the newest, so that slots wait, but not for good."""
        queued, limit = TaskFilter(statuses=(Status.QUEUED,)), ENDING * len(self.plans)
        share = self.dice.random()
        for sort in Sort:
            found = await self.storage.search(
                queued, sort=sort, limit=limit, max_rows=limit, now=self.clock.now()
            )
            ids = [task.id for task in found.tasks if self.dice.random() < share]
            await self.storage.cancel(ids, reason="over", now=self.clock.now())

    async def _round(self, chance: float) -> bool:
        client = MortalClient(self.storage, self.dice, chance)
        rounds = Rounds(client, self._app, self.clock, lambda *_: None)
        try:
            await rounds.run()
        except Killed:
            await self._restart()
            return False
        return True

    async def _restart(self) -> None:
        """End without a word, as a killed process does, and begin again."""
        self.storage.abandon()
        while True:
            try:
                return await self.storage.open()
            except StorageUnavailable:  # its threads have not ended yet
                await asyncio.sleep(0.001)

    async def check(self) -> int:
        """Check what was decided of each schedule; return how many slots have fired."""
        fired = 0
        for name, plan in self.plans.items():
            history = await self.storage.schedule(name, slots=1_000_000)
            assert history is not None
            of_outcome: defaultdict[SlotOutcome, list[Slot]] = defaultdict(list)
            for slot in history.slots:
                of_outcome[slot.outcome].append(slot)
            self._check_slots(name, plan, of_outcome)
            fired += len(of_outcome[SlotOutcome.FIRED])
        return fired

    def _check_slots(
        self, name: str, plan: Plan, found: Mapping[SlotOutcome, Sequence[Slot]]
    ) -> None:
        due = plan.timing.between(START, self.clock.time, limit=1_000_000)
        decided = {slot.at for slots in found.values() for slot in slots}
        for slot in found.get(SlotOutcome.MISSED, ()):  # one line stands for several
            decided |= {*due[: bisect_right(due, slot.at)][-(slot.slots or 1) :]}
        assert decided >= {*due}, f"{name}: {plan}"
        if plan.missed is Missed.ALL:
            runs = {slot.at for slot in found.get(SlotOutcome.FIRED, ())}
            waits = {slot.at for slot in found.get(SlotOutcome.WAITING, ())}
            skipped = found.get(SlotOutcome.SKIPPED, ())
            too_many = {slot.at for slot in skipped if slot.reason == TOO_MANY_WAIT}
            assert runs | waits | too_many >= {*due}, f"{name}: {plan}"
            assert plan.overlap is Overlap.QUEUE or not waits | too_many


async def simulate(path: Path, *, schedules: int, hours: float, minutes: int, seed: int) -> str:
    """Run a simulation; return what happened."""
    simulation = Simulation(path, schedules, minutes, seed)
    await simulation.start()
    await simulation.run(hours)
    print(f"seed {seed}")  # noqa: T201 - seen if it fails
    fired = await simulation.check()
    tasks = sum((await simulation.storage.counts()).values())
    await simulation.storage.close()
    assert tasks == fired  # the row of a slot is one of a kind, so no slot has two
    happened = f"{simulation.kills} kills, {simulation.jumps} jumps of the clock"
    return f"seed {seed}: {fired} slots of {schedules} schedules, {happened}"


async def test_each_slot_of_a_simulated_day_fires_once_whatever_is_killed(tmp_path: Path) -> None:
    await simulate(tmp_path / "tasks.db", schedules=12, hours=24, minutes=20, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_each_slot_of_many_schedules_fires_once_whatever_is_killed(tmp_path: Path) -> None:
    await simulate(tmp_path / "tasks.db", schedules=60, hours=3, minutes=1, seed=2)


def main() -> None:
    """Run one simulation of the size that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schedules", type=int, default=2000)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--minutes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        print(asyncio.run(simulate(path, **vars(given))))  # noqa: T201 - a program


if __name__ == "__main__":
    main()
