"""Many schedules on a simulated clock, killed and restarted at random: each slot fires once.

    python -m tests.actors.test_schedule_simulation --schedules 2000 --hours 168

The storage is the file's, the clock is simulated. Kills fall between any two messages, and around
commits: an answer is lost before or after its commit, as with kill -9.
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from taskqueue.actors.schedules.rounds import Rounds
from taskqueue.actors.storage_client import StorageClient
from taskqueue.api.app import App
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.schedules.timing import Timing
from taskqueue.rules.schedules.values import Declared, Plan
from taskqueue.rules.schedules.words import Missed, Origin, Overlap, SlotOutcome
from taskqueue.storage.protocol import Storage
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.clock import START

MINUTE_S, HOUR_S = 60.0, 3600.0


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
        self.kills = 0
        self.storage = SQLiteStorage(path, synchronous="NORMAL")  # no power is cut here
        self._schedules = schedules
        self._minutes = minutes
        self._app = App()

        @self._app.task("tick")
        async def tick(slot: str) -> None: ...

    async def start(self) -> None:
        """Declare the schedules, each due every few minutes, at a second of its own."""
        await self.storage.migrate()
        await self.storage.open()
        declared = [
            Declared(
                name=f"s{number:04}",
                plan=Plan(
                    action="tick",
                    timing=Timing(cron=f"{number % 60} */{self._minutes} * * * *"),
                    data='{"slot":"{slot}"}',
                    missed=Missed.ALL,
                    overlap=Overlap.ALLOW,
                ),
                origin=Origin.CODE,
            )
            for number in range(self._schedules)
        ]
        await self.storage.declare_schedules(declared, now=self.clock.now())

    async def run(self, hours: float) -> None:
        """Let the time pass, in steps of up to a few minutes; kill one round in three."""
        end = START + hours * HOUR_S
        while self.clock.time < end:
            self.clock.time = min(end, self.clock.time + self.dice.uniform(1, 10 * MINUTE_S))
            while not await self._round(chance=self.dice.choice((0, 0, 0.2 / self._schedules))):
                self.kills += 1

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

    async def firings(self) -> Counter[tuple[str, float]]:
        """Return how often each slot has made a task."""
        found: Counter[tuple[str, float]] = Counter()
        for schedule in await self.storage.schedules():
            history = await self.storage.schedule(schedule.name, slots=100_000)
            assert history is not None
            found.update(
                (schedule.name, slot.at)
                for slot in history.slots
                if slot.outcome is SlotOutcome.FIRED
            )
        return found

    def expected(self) -> set[tuple[str, float]]:
        """Return every slot up to now."""
        seconds = int(self.clock.time - START)
        return {
            (f"s{number:04}", START + at)
            for number in range(self._schedules)
            for at in range(number % 60, seconds + 1, 60 * self._minutes)
            if at > 0  # they were created at the first
        }


async def simulate(path: Path, *, schedules: int, hours: float, minutes: int, seed: int) -> str:
    """Run a simulation; return what happened."""
    simulation = Simulation(path, schedules, minutes, seed)
    await simulation.start()
    await simulation.run(hours)
    firings = await simulation.firings()
    tasks = sum((await simulation.storage.counts()).values())
    await simulation.storage.close()

    assert firings.keys() == simulation.expected(), f"seed {seed}"
    assert set(firings.values()) == {1}, f"seed {seed}"
    assert tasks == len(firings), f"seed {seed}"
    return f"seed {seed}: {tasks} slots of {schedules} schedules, {simulation.kills} kills"


async def test_each_slot_of_a_simulated_day_fires_once_whatever_is_killed(tmp_path: Path) -> None:
    await simulate(tmp_path / "tasks.db", schedules=12, hours=24, minutes=10, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_each_slot_of_many_schedules_fires_once_whatever_is_killed(tmp_path: Path) -> None:
    await simulate(tmp_path / "tasks.db", schedules=200, hours=24, minutes=1, seed=2)


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
