"""What has to hold of a task after a crash, and the service in this process that a test crashes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp

from taskqueue import App, Service
from taskqueue.actors.consumers import SHARED
from taskqueue.actors.messages import CONSUMERS, Resize
from taskqueue.assembly import Parts
from taskqueue.rules.policy import RetryPolicy
from taskqueue.rules.sizes import Capacity
from taskqueue.runtime import ActorRef, System, ask
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.connections.opener import WritesIn
from tests.system.crash_app import make_app
from tests.system.crash_places import Place
from tests.system.services import TIMEOUT_S

CONSUMER = "consumer-1"
KILL_GRACE_S = 5.0


@dataclass(frozen=True)
class Fate:
    """What has to hold for a task at the end."""

    told: bool  # whether its client was answered 202
    there: bool
    outcomes: Sequence[str] = ()
    deliveries: int = 0
    runs: Sequence[int] = ()  # how often its handler may have begun


NEVER_WRITTEN = Fate(told=False, there=False)
NEVER_ANSWERED = Fate(told=False, there=True, outcomes=["completed"], deliveries=1, runs=[1])
ACCEPTED = Fate(told=True, there=True, outcomes=["completed"], deliveries=1, runs=[1])
BUFFERED = Fate(told=True, there=True, outcomes=["completed"], deliveries=2, runs=[1])
# It has begun, but nobody could see that.
UNSEEN = Fate(told=True, there=True, outcomes=["completed"], deliveries=2, runs=[2])
BEGUN = Fate(told=True, there=True, outcomes=["crashed", "completed"], deliveries=2, runs=[2])
SETTLED = Fate(told=True, there=True, outcomes=["completed"], deliveries=1, runs=[1])

FATES = {
    "before accept": NEVER_WRITTEN,
    "after accept": NEVER_WRITTEN,
    "before send the insert": NEVER_WRITTEN,
    "after send the insert": NEVER_ANSWERED,
    "before insert": NEVER_WRITTEN,
    "after insert": NEVER_ANSWERED,
    "before commit the insert": NEVER_WRITTEN,
    "after commit the insert": NEVER_ANSWERED,
    "before answer": ACCEPTED,  # it has been sent, and is being logged
    "after answer": ACCEPTED,
    "before claim": ACCEPTED,
    "after claim": BUFFERED,
    "before commit the claim": ACCEPTED,
    "after commit the claim": BUFFERED,
    "before take": BUFFERED,
    "after take": BUFFERED,
    "before hand over": BUFFERED,
    "after hand over": BUFFERED,
    "before begin the handler": BUFFERED,
    "after begin the handler": UNSEEN,
    "before note the start": UNSEEN,
    "after note the start": UNSEEN,
    "before commit the start": UNSEEN,
    "after commit the start": BEGUN,
    "before end the handler": BEGUN,
    "after end the handler": BEGUN,
    "before report": BEGUN,
    "after report": SETTLED,
    "before conclude": BEGUN,
    "after conclude": BEGUN,
    "before settle": BEGUN,
    "after settle": SETTLED,
    "before commit the settlement": BEGUN,
    "after commit the settlement": SETTLED,
    "before hear the answer": SETTLED,
    "after hear the answer": SETTLED,
}


@dataclass
class Found:
    """What there is of a task at the end, and what its client was told."""

    told: str | None  # the id that came with 202
    ids: list[str] = field(default_factory=list)
    status: str | None = None
    outcomes: list[str] = field(default_factory=list)
    deliveries: int = 0
    runs: int = 0
    effects: int = 0


# A claim that was committed counts as a delivery, though its task never began.
CUT_SHORT = {
    "before insert as claimed": NEVER_WRITTEN,
    "after insert as claimed": replace(BUFFERED, told=False),
    "before commit the claimed insert": NEVER_WRITTEN,
    "after commit the claimed insert": replace(BUFFERED, told=False),
}


def was_done_once(found: Found, *, crashes: int, effects: int = 1) -> None:
    """Check what must hold of a task, if it is there, that was disturbed by so many crashes."""
    crashed = found.outcomes.count("crashed")
    assert len(found.ids) <= 1
    assert found.told in (None, *found.ids)
    assert found.effects == effects * len(found.ids)
    if found.ids:
        assert found.status == "completed"
        assert found.outcomes == ["crashed"] * crashed + ["completed"]
        assert crashed <= crashes
        assert found.runs - crashed in (0, 1)


class Town:
    """The whole tree in this process."""

    def __init__(self, place: Place, system: System, url: str) -> None:
        self.url = url
        self._place = place
        self._system = system

    async def resize(self, count: int) -> None:
        resize = Resize(pool=SHARED, size=Capacity(count=count, slots=1))
        await ask(self._system.address(CONSUMERS), resize, timeout_s=None)

    def kill(self, victim: str) -> "asyncio.Future[object] | None":
        """Kill a part, from any thread; what is returned is done when it has ended."""
        ref = self._whois(victim)
        ref.kill()
        return ref.ended()

    async def post_until_accepted(self, http: aiohttp.ClientSession, runs: Path) -> str:
        """Post one task, under a key: a try whose answer is lost may have been accepted."""
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    if (task_id := await post(http, self.url, runs, key="after")) is not None:
                        return task_id
                await asyncio.sleep(0.01)

    async def all_ended(self) -> None:
        """Wait until there is nothing left to do."""
        await all_ended(self._place)

    def _whois(self, victim: str) -> ActorRef:
        if victim == CONSUMER:
            [ref] = self._system.names.members(CONSUMERS)
            return ref
        found = self._system.address(victim).whereis()
        assert found is not None, f"nobody is the {victim} now"
        return found


@contextlib.asynccontextmanager
async def town_in(
    place: Place, *, consumers: int, writes_in: WritesIn = "thread", app: App | None = None
) -> AsyncIterator[Town]:
    settings = Settings(
        port=0,
        database=place.database,
        consumers=consumers,
        drain_s=1.0,
        retry=RetryPolicy(initial_s=0.01),
    )
    # What is killed may take long to notice where the machine is busy.
    make_system = partial(System, kill_grace_s=KILL_GRACE_S)
    parts = Parts(backend=place.backend(writes_in), make_system=make_system)
    async with Service(app or make_app(), settings, parts=parts) as service:
        yield Town(place, service.system, service.url)


async def post(
    http: aiohttp.ClientSession,
    url: str,
    runs: Path,
    action: str = "work",
    key: str | None = None,
    *,
    group: str | None = None,
) -> str | None:
    """Post a task; return its id if it was accepted."""
    body = {"action": action, "data": {"runs": str(runs)}, "unique_key": key, "group": group}
    async with http.post(f"{url}/tasks", json=body) as answer:
        if answer.status == 503:
            return None
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])


async def all_ended(place: Place) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while await place.fetch(_UNFINISHED):  # noqa: ASYNC110 - only the database knows
            await asyncio.sleep(0.01)


_UNFINISHED = "SELECT id FROM tasks WHERE processed_at IS NULL LIMIT 1"


async def found_in(place: Place, told: str | None, but: str | None = None) -> Found:
    runs = place.folder / "runs"
    found = Found(told, runs=len(runs.read_text().splitlines()) if runs.exists() else 0)
    for seq, task_id, status, deliveries in await place.fetch(_TASKS):
        if task_id != but:
            found.ids.append(task_id)
            found.status, found.deliveries = status, deliveries
            found.outcomes = [line for task, line in await place.fetch(_ATTEMPTS) if task == seq]
            found.outcomes += ["completed"] * (status == "completed")
            found.effects = (await effects_in(place)).count(task_id)
    return found


_TASKS = "SELECT seq, id, status, deliveries FROM tasks"
_ATTEMPTS = "SELECT task, outcome FROM attempts ORDER BY seq"


async def effects_in(place: Place) -> list[str]:
    """Return the tasks whose effects are there, each as often as it is."""
    return [task for [task] in await place.fetch("SELECT task FROM effects")]


async def left_of_gates(place: Place) -> list[str]:
    """Return what is not as it should be of limits, turns and groups when all tasks have ended."""
    slots = [f"a slot of {gate}" for [gate] in await place.fetch("SELECT gate FROM held_slots")]
    parked = [f"parked at {gate}" for [gate] in await place.fetch(_PARKED)]
    counted = {name: completed for name, completed in await place.fetch(_COUNTED) if completed}
    there = {name: tasks for name, tasks in await place.fetch(_THERE)}  # noqa: C416 - rows
    wrong = [f"{counted} by the counts, {there} by the rows"] if counted != there else []
    return [*slots, *parked, *wrong]


_PARKED = "SELECT gate FROM tasks WHERE gate IS NOT NULL"
_COUNTED = """
SELECT name, completed + 1000 * (queued + scheduled + running + retrying + dead + cancelled)
FROM task_groups
"""
_THERE = "SELECT group_name, count(*) FROM tasks WHERE group_name IS NOT NULL GROUP BY 1"
