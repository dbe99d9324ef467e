"""A crash between any two steps of a task's path: what was promised is kept, what was done counts.

First the whole process dies, by SIGKILL to itself at exactly that point, and the service is started
again on the same file. Then only one part of it is killed there, and the rest lives on; then the
process that writes, around each of its commits, and the one that applies statements of handlers.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from taskqueue import Service
from taskqueue.actors.messages import CONSUMERS, DATABASE, GATEWAY, QUEUE
from taskqueue.assembly import Parts
from taskqueue.commands import Resize
from taskqueue.rules.policy import RetryPolicy
from taskqueue.runtime import ActorRef, System, ask
from taskqueue.settings import Settings
from taskqueue.storage.sqlite.connections import spawn
from taskqueue.storage.sqlite.connections.opener import WritesIn
from taskqueue.storage.sqlite.database import SQLiteDatabase
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.backend import Given
from taskqueue.testing.events import EventLog
from taskqueue.testing.process import children_of
from tests.system import crash_app, crashing_writer
from tests.system.crash_app import MAKE_EFFECTS
from tests.system.crash_points import POINTS, SHORT_CUT_POINTS, Trap, wrappings
from tests.system.crashing_service import CrashingService
from tests.system.services import TIMEOUT_S

CONSUMER = "consumer-1"
AT_ONCE = 3  # crashing services, of which each has its own folder


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


def test_every_point_has_a_fate() -> None:
    assert tuple(FATES) == POINTS


# --- the whole process --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crashes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, bytecode: Path
) -> dict[str, Found]:
    """What came of a crash at each point that is asked for: some at once, to save time."""
    wanted = [
        item.callspec.params["point"]
        for item in request.session.items
        if getattr(item, "originalname", "") == test_the_process_dies.__name__
    ]

    async def crash_all() -> dict[str, Found]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def crash(point: str) -> Found:
            async with turn:
                return await _crash(tmp_path_factory.mktemp("crash"), point, bytecode)

        return dict(zip(wanted, await asyncio.gather(*map(crash, wanted)), strict=True))

    return asyncio.run(crash_all())


@pytest.mark.timeout(240)  # the first one waits for all
@pytest.mark.parametrize("point", POINTS)
def test_the_process_dies(crashes: dict[str, Found], point: str) -> None:
    fate, found = FATES[point], crashes[point]

    assert (found.told is not None) == fate.told
    assert len(found.ids) == fate.there
    assert found.told in (None, *found.ids)
    assert found.status == ("completed" if fate.there else None)
    assert found.outcomes == list(fate.outcomes)
    assert found.deliveries == fate.deliveries
    assert found.runs in (fate.runs or [0])
    assert found.effects == fate.there


# A claim that was committed counts as a delivery, though its task never began.
CUT_SHORT = {
    "before insert as claimed": NEVER_WRITTEN,
    "after insert as claimed": replace(BUFFERED, told=False),
    "before commit the claimed insert": NEVER_WRITTEN,
    "after commit the claimed insert": replace(BUFFERED, told=False),
}


def test_every_point_of_the_short_cut_has_a_fate() -> None:
    assert tuple(CUT_SHORT) == SHORT_CUT_POINTS


@pytest.mark.parametrize("point", SHORT_CUT_POINTS)
async def test_the_process_dies_where_a_task_is_claimed_as_it_is_inserted(
    tmp_path: Path, bytecode: Path, point: str
) -> None:
    fate, told = CUT_SHORT[point], []
    flags = ("--app", "tests.system.crash_app:app", "--consumers", "1")
    (tmp_path / "runs").touch()
    async with (
        CrashingService(tmp_path, *flags, env=_env(point, bytecode)) as crashing,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
    ):
        _make_effects(tmp_path)
        with contextlib.suppress(aiohttp.ClientConnectionError):
            while True:  # the first ones may come before the queue knows that nobody waits
                told.append(await _post(http, crashing.url, tmp_path / "runs"))
                await _all_ended(tmp_path)
        async with asyncio.timeout(TIMEOUT_S):
            assert await crashing.wait() == -9
    async with _town(tmp_path, consumers=1) as town:
        await town.all_ended()

    with _database(tmp_path) as db:
        query = "SELECT id, status, deliveries FROM tasks"
        tasks = {task_id: rest for task_id, *rest in db.execute(query)}
        effects = [task for (task,) in db.execute("SELECT task FROM effects")]
    cut_short = tasks.keys() - set(told)
    assert [tasks.pop(task) for task in cut_short] == [["completed", fate.deliveries]] * fate.there
    assert all(status == "completed" for status, _ in tasks.values())
    assert sorted(effects) == sorted({*tasks, *cut_short})
    assert len((tmp_path / "runs").read_text().splitlines()) == len(effects)


def _env(point: str, bytecode: Path) -> dict[str, str]:
    return {
        "CRASH_POINT": point,
        "PYTHONPYCACHEPREFIX": str(bytecode),
        "PYTHONDONTWRITEBYTECODE": "",
    }


async def _crash(folder: Path, point: str, bytecode: Path) -> Found:
    """Have a service crash at the point, start another one on its file, and look."""
    told = None
    # Without consumers nothing is claimed before the client has heard.
    flags = ("--app", "tests.system.crash_app:app", "--consumers", "0")
    async with (
        CrashingService(folder, *flags, env=_env(point, bytecode)) as crashing,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
    ):
        _make_effects(folder)
        with contextlib.suppress(aiohttp.ClientConnectionError):
            told = await _post(http, crashing.url, folder / "runs")
            async with http.put(f"{crashing.url}/supervision/consumers", json={"count": 1}):
                pass
        async with asyncio.timeout(TIMEOUT_S):
            assert await crashing.wait() == -9
    async with _town(folder, consumers=1) as town:
        await town.all_ended()
    return _found(folder, told)


# --- one part of it -----------------------------------------------------------------------------

# The consumer comes when the client has heard.
WITH_CONSUMER = POINTS[POINTS.index("before claim") :]
DEATHS = [
    *((point, victim) for point in POINTS for victim in (DATABASE, QUEUE, GATEWAY)),
    *((point, CONSUMER) for point in WITH_CONSUMER),
]


@pytest.mark.parametrize(("point", "victim"), DEATHS)
async def test_a_part_dies(
    tmp_path: Path,
    events: EventLog,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    victim: str,
) -> None:
    towns: list[Town] = []
    trap = Trap(point, lambda: towns[0].kill(victim))
    for place, name, wrapped in wrappings(trap):
        monkeypatch.setattr(place, name, wrapped)

    async with _town(tmp_path, consumers=0) as town, aiohttp.ClientSession() as http:
        towns.append(town)
        _make_effects(tmp_path)
        told = None
        with contextlib.suppress(aiohttp.ClientConnectionError):
            told = await _post(http, town.url, tmp_path / "runs")
        await town.resize(1)
        await town.all_ended()
        if told is not None:
            await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
        assert await asyncio.to_thread(trap.sprung.wait, TIMEOUT_S)
        after = await town.post_until_accepted(http, tmp_path / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = _found(tmp_path, told, but=after)

    assert FATES[point].there <= len(found.ids) or found.told is None
    _was_done_once(found, crashes=int(victim == CONSUMER))
    if found.ids and victim != CONSUMER:  # nobody else's death costs a run
        assert found.runs == 1
    [restarted] = events.select("child_restarted")
    assert (restarted["child_id"], restarted["reason"]) == (victim, "killed")
    assert events.select("actor_abandoned") == []


def _was_done_once(found: Found, *, crashes: int, effects: int = 1) -> None:
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


# --- the process that writes --------------------------------------------------------------------

COMMITS = [point for point in POINTS if "commit" in point]
SETTLEMENTS = [point for point in COMMITS if "settlement" in point]


@pytest.mark.parametrize("point", COMMITS)
async def test_the_process_that_writes_dies(
    tmp_path: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, tmp_path, point)
    # A settlement with statements is written by another process.
    action, effects = ("plain", 0) if point in SETTLEMENTS else ("work", 1)
    if "the start" in point:  # only of a handler that lasts is it written
        monkeypatch.setattr(crash_app, "end", partial(_wait_for, crashed))

    async with (
        _town(tmp_path, consumers=0, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        _make_effects(tmp_path)
        told = await _post(http, town.url, tmp_path / "runs", action)
        await town.resize(1)
        await events.wait_for("storage_degraded", timeout_s=TIMEOUT_S)
        await town.all_ended()
        after = await town.post_until_accepted(http, tmp_path / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = _found(tmp_path, told, but=after)

    assert (found.told is not None, len(found.ids)) == (FATES[point].told, FATES[point].there)
    _was_done_once(found, crashes=0, effects=effects)
    [degraded] = {each["reason"] for each in events.select("storage_degraded")}
    assert degraded == "the process that writes has ended by signal 9"
    assert events.select("child_restarted") == []


@pytest.mark.parametrize("point", SETTLEMENTS)
async def test_the_process_that_applies_statements_dies_and_only_their_task_waits(
    tmp_path: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, tmp_path, point)

    async with (
        _town(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        _make_effects(tmp_path)
        told = await _post(http, town.url, tmp_path / "runs")
        assert told is not None
        await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
    found = _found(tmp_path, told)

    assert crashed.exists()
    _was_done_once(found, crashes=0)
    assert found.runs == 1
    assert len(events.select("task_completed")) == 1
    for trouble in ("storage_degraded", "storage_operation_failed", "child_restarted"):
        assert events.select(trouble) == []


@pytest.mark.parametrize("point", [point for point in SHORT_CUT_POINTS if "commit" in point])
async def test_the_process_that_writes_dies_where_a_task_is_claimed_as_it_is_inserted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, tmp_path, point)
    (tmp_path / "runs").touch()
    told = []

    async with (
        _town(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        _make_effects(tmp_path)
        async with asyncio.timeout(TIMEOUT_S):
            while not crashed.exists():  # until the queue knows that nobody waits
                told.append(await _post(http, town.url, tmp_path / "runs"))
                await town.all_ended()
        told.append(await town.post_until_accepted(http, tmp_path / "runs"))
        await town.all_ended()

    with _database(tmp_path) as db:
        tasks = dict(db.execute("SELECT id, status FROM tasks"))
        effects = [task for (task,) in db.execute("SELECT task FROM effects")]
    assert told.count(None) == 1
    assert set(told) - {None} <= set(tasks)
    assert len(tasks) == len(told) - (not CUT_SHORT[point].there)
    assert set(tasks.values()) == {"completed"}
    assert sorted(effects) == sorted(tasks)
    assert len((tmp_path / "runs").read_text().splitlines()) == len(tasks)


async def test_when_the_process_that_writes_dies_unneeded_the_next_client_finds_another(
    tmp_path: Path, events: EventLog
) -> None:
    async with (
        _town(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())  # that for statements is started when there are some
        _make_effects(tmp_path)
        first = await _post(http, town.url, tmp_path / "runs")
        await events.wait_for("task_completed", task_id=first, timeout_s=TIMEOUT_S)
        ready = len(events.select("storage_ready"))

        os.kill(writer, signal.SIGKILL)
        await events.wait_for("storage_degraded", timeout_s=TIMEOUT_S)
        await events.wait_for("storage_ready", nth=ready + 1, timeout_s=TIMEOUT_S)
        second = await _post(http, town.url, tmp_path / "runs")

        assert second is not None
        await events.wait_for("task_completed", task_id=second, timeout_s=TIMEOUT_S)
        assert writer not in children_of(os.getpid())
    assert events.select("child_restarted") == []


async def test_when_the_process_that_applies_statements_dies_unneeded_the_next_task_has_another(
    tmp_path: Path, events: EventLog
) -> None:
    async with (
        _town(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())
        _make_effects(tmp_path)
        first = await _post(http, town.url, tmp_path / "runs")
        await events.wait_for("task_completed", task_id=first, timeout_s=TIMEOUT_S)
        [applies] = set(children_of(os.getpid())) - {writer}

        os.kill(applies, signal.SIGKILL)
        second = await _post(http, town.url, tmp_path / "runs")

        assert second is not None
        await events.wait_for("task_completed", task_id=second, timeout_s=TIMEOUT_S)
        assert writer in children_of(os.getpid())
    assert events.select("storage_degraded") == []
    assert events.select("child_restarted") == []


def _crashing_writer(monkeypatch: pytest.MonkeyPatch, folder: Path, point: str) -> Path:
    """Have the next process that writes die at the point; return a file that is there then."""
    crashed = folder / "crashed"
    monkeypatch.setattr(spawn, "COMMAND", crashing_writer.COMMAND)
    monkeypatch.setenv("CRASH_POINT", point)
    monkeypatch.setenv("CRASHED", str(crashed))
    return crashed


async def _wait_for(file: Path) -> None:
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
        await ask(self._system.address(CONSUMERS), Resize(count=count), timeout_s=None)

    def kill(self, victim: str) -> "asyncio.Future[object] | None":
        """Kill a part, from any thread; what is returned is done when it has ended."""
        ref = self._whois(victim)
        ref.kill()
        return ref.ended()

    async def post_until_accepted(self, http: aiohttp.ClientSession, runs: Path) -> str:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                with contextlib.suppress(aiohttp.ClientConnectionError):
                    if (task_id := await _post(http, self.url, runs)) is not None:
                        return task_id
                await asyncio.sleep(0.01)

    async def all_ended(self) -> None:
        """Wait until there is nothing left to do."""
        await _all_ended(self._folder)

    def _whois(self, victim: str) -> ActorRef:
        if victim == CONSUMER:
            [ref] = self._system.names.members(CONSUMERS)
            return ref
        found = self._system.address(victim).whereis()
        assert found is not None, f"nobody is the {victim} now"
        return found


@contextlib.asynccontextmanager
async def _town(
    folder: Path, *, consumers: int, writes_in: WritesIn = "thread"
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
    app = copy(crash_app.app)  # several towns live at once
    async with Service(app, settings, parts=Parts(backend=backend)) as service:
        yield Town(folder, service.system, service.url)


# --- what both need -----------------------------------------------------------------------------


async def _post(
    http: aiohttp.ClientSession, url: str, runs: Path, action: str = "work"
) -> str | None:
    """Post a task; return its id if it was accepted."""
    body = {"action": action, "data": {"runs": str(runs)}}
    async with http.post(f"{url}/tasks", json=body) as answer:
        if answer.status == 503:
            return None
        assert answer.status == 202, await answer.text()
        return str((await answer.json())["id"])


@contextlib.contextmanager
def _database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "data" / "tasks.db")) as db:
        db.row_factory = sqlite3.Row
        yield db


def _make_effects(folder: Path) -> None:
    with _database(folder) as db:
        db.execute(MAKE_EFFECTS)


async def _all_ended(folder: Path) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while _unfinished(folder):  # noqa: ASYNC110 - only the file knows
            await asyncio.sleep(0.01)


def _unfinished(folder: Path) -> int:
    with _database(folder) as db:
        query = "SELECT count(*) FROM tasks WHERE processed_at IS NULL"
        [number] = db.execute(query).fetchone()
        return int(number)


def _found(folder: Path, told: str | None, but: str | None = None) -> Found:
    runs = folder / "runs"
    found = Found(told, runs=len(runs.read_text().splitlines()) if runs.exists() else 0)
    with _database(folder) as db:
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
