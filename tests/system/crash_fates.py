"""What has to hold of a task after a crash, and the service in this process that a test crashes."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
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
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.backend import Given
from tests.system.crash_app import MAKE_EFFECTS, make_app
from tests.system.services import TIMEOUT_S

CONSUMER = "consumer-1"


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


async def wait_for(file: Path) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not file.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.001)


class Town:
    """The whole tree in this process."""

    def __init__(self, folder: Path, system: System, url: str) -> None:
        self.url = url
        self._folder = folder
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
        await all_ended(self._folder)

    def _whois(self, victim: str) -> ActorRef:
        if victim == CONSUMER:
            [ref] = self._system.names.members(CONSUMERS)
            return ref
        found = self._system.address(victim).whereis()
        assert found is not None, f"nobody is the {victim} now"
        return found


@contextlib.asynccontextmanager
async def town_in(
    folder: Path, *, consumers: int, writes_in: WritesIn = "thread", app: App | None = None
) -> AsyncIterator[Town]:
    database = SQLiteDatabase(path=folder / "data" / "tasks.db")
    settings = Settings(
        port=0,
        database=database,
        consumers=consumers,
        drain_s=1.0,
        retry=RetryPolicy(initial_s=0.01),
    )
    database.path.parent.mkdir(exist_ok=True)
    backend = Given(partial(SQLiteStorage, database.path, writes_in=writes_in))
    async with Service(app or make_app(), settings, parts=Parts(backend=backend)) as service:
        yield Town(folder, service.system, service.url)


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


@contextlib.contextmanager
def database_in(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db:
        db.row_factory = sqlite3.Row
        yield db


def make_effects(folder: Path) -> None:
    with database_in(folder) as db:
        db.execute(MAKE_EFFECTS)


async def all_ended(folder: Path) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while _unfinished(folder):  # noqa: ASYNC110 - only the file knows
            await asyncio.sleep(0.01)


def _unfinished(folder: Path) -> int:
    with database_in(folder) as db:
        query = "SELECT count(*) FROM tasks WHERE processed_at IS NULL"
        [number] = db.execute(query).fetchone()
        return int(number)


def found_in(folder: Path, told: str | None, but: str | None = None) -> Found:
    runs = folder / "runs"
    found = Found(told, runs=len(runs.read_text().splitlines()) if runs.exists() else 0)
    with database_in(folder) as db:
        for task in db.execute("SELECT * FROM tasks WHERE id IS NOT ?", (but,)):
            found.ids.append(task["id"])
            found.status = task["status"]
            found.deliveries = task["deliveries"]
            lines = db.execute("SELECT outcome FROM attempts WHERE task = ?", (task["seq"],))
            found.outcomes = [line["outcome"] for line in lines]
            found.outcomes += ["completed"] * (task["status"] == "completed")
            query = "SELECT count(*) FROM effects WHERE task = ?"
            [found.effects] = db.execute(query, (task["id"],)).fetchone()
    return found


def left_of_gates(folder: Path) -> list[str]:
    """Return what is not as it should be of limits, turns and groups when all tasks have ended."""
    with database_in(folder) as db:
        slots = [f"a slot of {gate}" for [gate] in db.execute("SELECT gate FROM held_slots")]
        parked = [f"parked at {gate}" for [gate] in db.execute(_PARKED)]
        counted = {name: completed for name, completed in db.execute(_COUNTED) if completed}
        there = dict(db.execute(_THERE).fetchall())
        wrong = [f"{counted} by the counts, {there} by the rows"] if counted != there else []
        return [*slots, *parked, *wrong]


_PARKED = "SELECT gate FROM tasks WHERE gate IS NOT NULL"
_COUNTED = """
SELECT name, completed + 1000 * (queued + scheduled + running + retrying + dead + cancelled)
FROM task_groups
"""
_THERE = "SELECT group_name, count(*) FROM tasks WHERE group_name IS NOT NULL GROUP BY 1"
