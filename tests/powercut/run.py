"""One round: a service is recorded under load and a fault, then the power is cut many times."""

import asyncio
import contextlib
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from taskqueue.testing.process import ServiceEnded, children_of
from tests.disk.shim import NOTHING, Kind, Rule, Shim
from tests.executors.procs import gone
from tests.powercut.check import faults_of
from tests.powercut.disk import Disk
from tests.powercut.load import Load
from tests.powercut.moments import begins_log, cuts, kept
from tests.powercut.scenarios import ACTIONS, BIRTH, FAULTS, birth
from tests.powercut.service import SYNCHRONOUS, RecordedService
from tests.powercut.trace import records

FLAGS = ("--app", "tests.powercut.app:app", "--drain-s", "0")
NOTES = 1_000  # before a fault, and after it: the log is brought into the file several times
IMAGES = 30  # of one round
LOGS = 2  # begun after the fault: all that is in the second was written afterwards
LIMIT_S = 15.0  # for that many notes
LOGS_LIMIT_S = 60.0  # a log begins anew only where no read is under way
HARM_S = 0.5  # a fault that lasts is over then
PATIENCE_S = 3.0  # for the calls that are to fail
STARTS = 5


class NeverReady(Exception):
    """The service ended each time before it was ready; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What happens in one round, and with what service."""

    seed: str
    fault: str
    synchronous: str = "FULL"
    unsynced: Kind = NOTHING  # a mutant: the disk only pretends to sync these
    smashes: bool = False  # the disk damages the neighbours of what it writes
    images: int = IMAGES


@dataclass(slots=True)
class Outcome:
    """What came of a round."""

    action: str = ""
    injected: int = 0
    notes: int = 0
    images: int = 0
    violations: list[str] = field(default_factory=list)


async def play(folder: Path, what: Round) -> Outcome:
    """Play a round in an empty folder. Images that are damaged, or lack something, stay there."""
    root = folder / "disk"
    root.mkdir()
    shim = Shim(folder, root)
    recording = _Recording(root, shim, what)
    try:
        await recording.run()
    except NeverReady as error:
        recording.outcome.violations.append(f"never ready: {error}")
    await _cut(folder, recording)
    return recording.outcome


class _Recording:
    """The service of a round, its clients, and what is done to them."""

    def __init__(self, root: Path, shim: Shim, what: Round) -> None:
        self.root = root
        self.shim = shim
        self.control = shim.control
        self.what = what
        self.draw = random.Random(what.seed)
        self.load = Load(random.Random(f"{what.seed}/load"), lambda: shim.now)
        self.outcome = Outcome()
        self.since = 0  # the position of the fault in the trace
        self._env = {**shim.env, SYNCHRONOUS: what.synchronous}

    async def run(self) -> None:
        """Have it all happen. No process is left when this returns."""
        action = self.draw.choice(ACTIONS)
        self.outcome.action = action.__name__
        if self.what.fault == BIRTH:
            self.control.inject(birth(self.draw))
        life = await self._started()
        try:
            async with self.load.on():
                await self._busy()
                self.since = self.shim.now
                self.control.pretend(self.what.unsynced)
                if rule := FAULTS.get(self.what.fault):
                    await self._harm(rule)
                    await self._busy()
                if not await action(life):
                    life = await self._started()
                await self._busy()
                await self._begin_logs()
        finally:
            await _end(life)
        self.outcome.notes = len(self.load.notes)
        self.outcome.injected = self.control.injected

    async def _started(self) -> RecordedService:
        """Start the service; again if it ends before it is ready, as systemd would."""
        for _ in range(STARTS):
            life = RecordedService(self.root, *FLAGS, env=self._env)
            with contextlib.suppress(ServiceEnded):
                await (await life.launch()).ready()
                self.load.url = life.url
                return life
        raise NeverReady(await life.complaint())

    async def _busy(self) -> None:
        more = self.draw.randint(NOTES // 2, NOTES)
        if not await self.load.accepted(more, LIMIT_S):
            self.outcome.violations.append(f"nothing is accepted any more for {LIMIT_S:g} s")

    async def _begin_logs(self) -> None:
        """Wait until the log has begun anew: before that no sync of the database matters."""
        begun = position = 0
        try:
            async with asyncio.timeout(LOGS_LIMIT_S):
                while begun < LOGS:
                    for record in records(self.shim.trace, position):
                        begun += record.end > self.since and begins_log(record)
                        position = record.end
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self.outcome.violations.append(f"the log does not begin anew for {LOGS_LIMIT_S:g} s")

    async def _harm(self, rule: Rule) -> None:
        """Have calls fail; those that are not made yet, as at a stop, fail when they are."""
        self.control.inject(rule)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HARM_S if rule.lasts else PATIENCE_S):
                while self.control.injected < rule.times:  # noqa: ASYNC110 - it is another process
                    await asyncio.sleep(0.01)
        if rule.lasts:
            self.control.heal()


async def _end(life: RecordedService) -> None:
    with contextlib.suppress(FileNotFoundError):  # it has ended already
        children = children_of(life.pid)
        await life.end()
        await gone(*children)
    await life.end()


async def _cut(folder: Path, recording: _Recording) -> None:
    """Cut the power at moments drawn from the trace; start on what the disk then holds."""
    what, outcome = recording.what, recording.outcome
    disk = Disk(recording.root, what.seed)
    trace = list(records(recording.shim.trace))
    told = [note.position for note in recording.load.notes]
    moments = cuts(trace, told, recording.since, what.images, recording.draw)
    for number, record in enumerate(trace):
        disk.take(record)
        if moment := moments.get(number):
            image = folder / f"image-{number}"
            draw = random.Random(f"{what.seed}/{number}")
            disk.image(image, draw, kept(moment, draw, smashes=what.smashes))
            notes = [note for note in recording.load.notes if note.position <= record.end]
            found = await faults_of(image / "data" / "tasks.db", notes)
            outcome.images += 1
            if found:
                outcome.violations.append(
                    f"{image.name}, {moment.name}: {found[0]} (and {len(found) - 1} more)"
                )
            else:
                shutil.rmtree(image)
