"""Runs a plan against a new service, wave by wave, and notes what is observed."""

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from taskqueue.testing.process import ServiceEnded
from tests.misdeeds import processes
from tests.misdeeds.app import MAKE_EFFECTS
from tests.misdeeds.deadline import Deadline
from tests.misdeeds.deeds import LEFT_S
from tests.misdeeds.kinds import Form
from tests.misdeeds.plan import Misdeed, Plan, Wave, is_repeated, is_surrounded
from tests.misdeeds.service import WatchedService

CONSUMERS, SLOTS = 2, 2
DRAIN_S = 1.0
FLAGS = (
    *("--consumers", str(CONSUMERS), "--slots", str(SLOTS)),
    *("--drain-s", str(DRAIN_S), "--lease-s", "2"),
    *("--retry-initial-s", "0.02", "--retry-max-s", "0.05"),
)
HEALTHY = 3  # tasks of each form beside each wave
POLL_S = 0.02
ANSWER_S = 60.0  # a request that takes longer hangs
ENDED = frozenset({"completed", "dead", "cancelled"})


@dataclass(kw_only=True)
class Posted:
    """A task as its client knows it, with the last answer of `GET /tasks/{id}`."""

    id: str
    misdeed: Misdeed | None  # None: a healthy task
    key: str = ""
    shown: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it had ended at the last look."""
        return self.shown.get("status") in ENDED


@dataclass(kw_only=True)
class WaveNotes:
    """What was observed of one wave."""

    wave: Wave
    posted: list[Posted] = field(default_factory=list)
    took_s: float = 0.0
    slots_s: float | None = None  # until all slots had taken a task again; None: never
    held: int = 0  # how many of them had
    events: range = range(0)  # indices of the events that were logged meanwhile
    resources: processes.Resources | None = None


@dataclass(kw_only=True)
class Notes:
    """What was observed of one life."""

    plan: Plan
    start_s: float = 0.0  # until the service was ready: shows how fast the machine is
    waves: list[WaveNotes] = field(default_factory=list)
    at_first: processes.Resources | None = None
    broken: str = ""  # why the plan was not finished
    exit_code: int | None = None  # None: the service had to be killed
    stop_s: float = 0.0
    left: Sequence[str] = ()  # processes that outlived the service
    complaint: str = ""  # its standard error
    events: Sequence[Mapping[str, Any]] = ()
    effects: Counter[str] = field(default_factory=Counter)

    @property
    def slots_limit_s(self) -> float:
        """How long the slots may take until each has taken a task."""
        return 1.0 + 2 * self.start_s

    @property
    def stop_limit_s(self) -> float:
        """How long a stop may take."""
        return DRAIN_S + 2.0 + self.start_s

    @property
    def wave_limit_s(self) -> float:
        """How long the tasks of a wave may take."""
        return 20.0 + 5 * self.start_s


class Broken(Exception):
    """The plan cannot be finished, which is a finding for the ledger."""


async def live(folder: Path, plan: Plan) -> Notes:
    """Start a service in an empty folder, run the plan, stop the service, and return the notes.

    No process of the service runs when this returns.
    """
    notes = Notes(plan=plan)
    app = "surrounded" if is_surrounded(plan) else "app"
    service = WatchedService(folder, "--app", f"tests.misdeeds.{app}:app", *FLAGS)
    began = time.monotonic()
    await service.launch()
    try:
        await service.ready()
        notes.start_s = time.monotonic() - began
        await _run_waves(service, folder, notes)
    except (Broken, ServiceEnded, aiohttp.ClientError, TimeoutError, ValueError) as error:
        notes.broken = f"{type(error).__name__}: {error}"[:3000]
    except BaseException:  # the run is interrupted
        service.kill()
        raise
    await _stop(service, notes)
    notes.events = service.events.recorded
    with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(_database(folder))) as db:
        notes.effects = Counter(task for (task,) in db.execute("SELECT task FROM effects"))
    return notes


async def _run_waves(service: WatchedService, folder: Path, notes: Notes) -> None:
    with closing(sqlite3.connect(_database(folder))) as db:
        db.executescript(MAKE_EFFECTS)
    timeout = aiohttp.ClientTimeout(total=ANSWER_S)
    async with aiohttp.ClientSession(service.url, timeout=timeout) as http:
        run = _Run(http, service, folder, notes)
        await run.wave(())
        notes.at_first = processes.resources(service.pid)
        for wave in notes.plan:
            await run.wave(wave)


def _database(folder: Path) -> Path:
    return folder / "data" / "tasks.db"


class _Run:
    """Posts waves of tasks and observes how they end."""

    def __init__(
        self, http: aiohttp.ClientSession, service: WatchedService, folder: Path, notes: Notes
    ) -> None:
        self._http = http
        self._service = service
        self._folder = folder
        self._notes = notes

    async def wave(self, wave: Wave) -> None:
        """Post a wave beside healthy tasks, wait for their ends, and note what is observed."""
        notes = WaveNotes(wave=wave)
        self._notes.waves.append(notes)
        began, events = time.monotonic(), self._service.events.recorded
        first = len(events)
        try:
            await self._post_all(notes)
            await self._all_ended(notes)
            notes.took_s = time.monotonic() - began
            await self._fill_slots(notes)
            await self._collect_garbage()
            rest_s = 2 * LEFT_S if is_repeated(self._notes.plan) else 0.0
            notes.resources = await processes.resources_at_rest(self._service.pid, within_s=rest_s)
        finally:
            notes.events = range(first, len(events))

    async def _post_all(self, notes: WaveNotes) -> None:
        number = len(self._notes.waves)
        for index in range(HEALTHY):
            for form in Form:
                await self._post_healthy(notes, form, f"{number}/{form}/{index}")
            for misdeed in notes.wave[index::HEALTHY]:
                action = f"timed_{misdeed.form}" if misdeed.timed else f"misdeed_{misdeed.form}"
                task_id = await self._post(action, source=misdeed.source)
                notes.posted.append(Posted(id=task_id, misdeed=misdeed))

    async def _post_healthy(self, notes: WaveNotes, form: Form, key: str) -> None:
        task_id = await self._post(f"healthy_{form}", key=key)
        notes.posted.append(Posted(id=task_id, misdeed=None, key=key))

    async def _post(self, action: str, **data: Any) -> str:
        body = {"action": action, "data": data}
        async with self._http.post("/tasks", json=body) as answer:
            if answer.status != 202:
                raise Broken(f"{action} was answered {answer.status} {await answer.text()}")
            return str((await answer.json())["id"])

    async def _all_ended(self, notes: WaveNotes) -> None:
        deadline = Deadline(self._service.pid, self._notes.wave_limit_s)
        while True:
            for each in notes.posted:
                if not each.ended:
                    each.shown = await self._show(each.id)
            if all(each.ended for each in notes.posted):
                return
            if deadline.is_over:
                raise Broken("not all tasks have ended")
            await asyncio.sleep(POLL_S)

    async def _show(self, task_id: str) -> Mapping[str, Any]:
        async with self._http.get(f"/tasks/{task_id}") as answer:
            if answer.status != 200:
                raise Broken(f"GET /tasks/{task_id} is {answer.status} {await answer.text()}")
            shown: Mapping[str, Any] = await answer.json()
            return shown

    async def _fill_slots(self, notes: WaveNotes) -> None:
        """Occupy all slots at the same time, which fails if the wave has cost one of them."""
        number = len(self._notes.waves)
        until = self._folder / f"until-{number}"
        here = [self._folder / f"here-{number}-{index}" for index in range(CONSUMERS * SLOTS)]
        deadline = Deadline(self._service.pid, self._notes.slots_limit_s)
        ids = [await self._post("hold", here=str(path), until=str(until)) for path in here]
        try:
            while (held := sum(path.exists() for path in here)) < len(here):
                notes.held = held
                if deadline.is_over:
                    raise Broken(f"only {held} of {len(here)} slots take work")
                await asyncio.sleep(POLL_S)
            notes.slots_s = deadline.elapsed_s
        finally:
            until.touch()
        holds = [
            Posted(id=task_id, misdeed=None, key=str(path))
            for task_id, path in zip(ids, here, strict=True)
        ]
        await self._all_ended(WaveNotes(wave=(), posted=holds))

    async def _collect_garbage(self) -> None:
        """Collect the service's garbage: event loops that are not closed hold descriptors."""
        task_id = await self._post("collect_garbage")
        await self._all_ended(WaveNotes(wave=(), posted=[Posted(id=task_id, misdeed=None)]))


async def _stop(service: WatchedService, notes: Notes) -> None:
    """Stop the service as a deploy does; note and kill the processes that it leaves."""
    deadline = Deadline(service.pid, 3 * notes.stop_limit_s)
    service.terminate()
    notes.exit_code = await service.returned(before=deadline)
    notes.stop_s = deadline.elapsed_s
    if notes.exit_code is None:
        service.kill()
    notes.left = await processes.ended(within_s=3 * notes.stop_limit_s)
    await service.wait()
    notes.complaint = await service.complaint()
