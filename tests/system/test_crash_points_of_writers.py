"""What writes dies around each of its commits, or what applies the statements of handlers.

On SQLite that is a process; on PostgreSQL it is the session of the server.
"""

import asyncio
import os
import signal
from functools import partial
from pathlib import Path

import aiohttp
import pytest

from taskqueue.storage.sqlite.connections import spawn
from taskqueue.testing.events import EventLog
from taskqueue.testing.process import children_of
from tests.system import crash_app, crashing_writer
from tests.system.crash_fates import (
    CUT_SHORT,
    FATES,
    effects_in,
    found_in,
    post,
    town_in,
    was_done_once,
)
from tests.system.crash_places import (
    Place,
    PostgresPlace,
    SQLitePlace,
    migrated_template,
    place,
    places,
    postgres,
)
from tests.system.crash_points import (
    POINTS,
    SHORT_CUT_POINTS,
    CommitTrap,
    committing_on,
    server_commit_wrapping,
)
from tests.system.services import TIMEOUT_S, outages

__all__ = ["migrated_template", "place", "places", "postgres"]

pytestmark = pytest.mark.long

COMMITS = [point for point in POINTS if "commit" in point]
SETTLEMENTS = [point for point in COMMITS if "settlement" in point]


@pytest.mark.parametrize("point", COMMITS)
async def test_the_process_that_writes_dies(
    place: Place, events: EventLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, place, point)
    # A settlement with statements is written by another one.
    action, effects = ("plain", 0) if point in SETTLEMENTS else ("work", 1)
    if "the start" in point:  # only of a handler that lasts is it written
        monkeypatch.setattr(crash_app, "end", partial(_wait_for, crashed))

    async with (
        town_in(place, consumers=0, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        await place.make_effects()
        told = await post(http, town.url, place.folder / "runs", action)
        await town.resize(1)
        await events.wait_for("storage_degraded", timeout_s=TIMEOUT_S)
        await town.all_ended()
        after = await town.post_until_accepted(http, place.folder / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = await found_in(place, told, but=after)

    assert (found.told is not None, len(found.ids)) == (FATES[point].told, FATES[point].there)
    was_done_once(found, crashes=0, effects=effects)
    [degraded] = {each["reason"] for each in events.select("storage_degraded")}
    assert _says_that_it_died(place, degraded)
    assert events.select("child_restarted") == []


def _says_that_it_died(place: Place, reason: str) -> bool:
    if isinstance(place, SQLitePlace):
        return reason == "the process that writes has ended by signal 9"
    # Whichever is noticed first: that the session has ended, or that its commit has failed.
    return reason.endswith((": the connection has ended", "(during a commit)"))


@pytest.mark.parametrize("point", SETTLEMENTS)
async def test_the_process_that_applies_statements_dies_and_only_their_task_waits(
    place: Place, events: EventLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, place, point)

    async with (
        town_in(place, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        await place.make_effects()
        told = await post(http, town.url, place.folder / "runs")
        assert told is not None
        await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
    found = await found_in(place, told)

    assert crashed.exists()
    was_done_once(found, crashes=0)
    assert found.runs == 1
    assert len(events.select("task_completed")) == 1
    for trouble in ("storage_degraded", "storage_operation_failed", "child_restarted"):
        assert events.select(trouble) == []


@pytest.mark.parametrize("point", [point for point in SHORT_CUT_POINTS if "commit" in point])
async def test_the_process_that_writes_dies_where_a_task_is_claimed_as_it_is_inserted(
    place: Place, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed, runs = _crashing_writer(monkeypatch, place, point), place.folder / "runs"
    runs.touch()
    told = []

    async with (
        town_in(place, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        await place.make_effects()
        async with asyncio.timeout(TIMEOUT_S):
            while not crashed.exists():  # until the queue knows that nobody waits
                told.append(await post(http, town.url, runs))
                await town.all_ended()
        told.append(await town.post_until_accepted(http, runs))
        await town.all_ended()

    tasks = dict(await place.fetch("SELECT id, status FROM tasks"))
    assert told.count(None) == 1
    assert set(told) - {None} <= set(tasks)
    assert len(tasks) == len(told) - (not CUT_SHORT[point].there)
    assert set(tasks.values()) == {"completed"}
    assert sorted(await effects_in(place)) == sorted(tasks)
    assert len(runs.read_text().splitlines()) == len(tasks)


async def test_when_the_process_that_writes_dies_unneeded_the_next_client_finds_another(
    tmp_path: Path, events: EventLog
) -> None:
    async with (
        town_in(SQLitePlace(tmp_path), consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())  # that for statements is started when there are some
        await SQLitePlace(tmp_path).make_effects()
        first = await post(http, town.url, tmp_path / "runs")
        await events.wait_for("task_completed", task_id=first, timeout_s=TIMEOUT_S)
        ready = len(events.select("storage_ready"))

        os.kill(writer, signal.SIGKILL)
        await events.wait_for("storage_degraded", timeout_s=TIMEOUT_S)
        await events.wait_for("storage_ready", nth=ready + 1, timeout_s=TIMEOUT_S)
        second = await post(http, town.url, tmp_path / "runs")

        assert second is not None
        await events.wait_for("task_completed", task_id=second, timeout_s=TIMEOUT_S)
        assert writer not in children_of(os.getpid())
    assert events.select("child_restarted") == []


async def test_when_the_process_that_applies_statements_dies_unneeded_the_next_task_has_another(
    tmp_path: Path, events: EventLog
) -> None:
    async with (
        town_in(SQLitePlace(tmp_path), consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())
        await SQLitePlace(tmp_path).make_effects()
        first = await post(http, town.url, tmp_path / "runs")
        await events.wait_for("task_completed", task_id=first, timeout_s=TIMEOUT_S)
        [applies] = set(children_of(os.getpid())) - {writer}

        os.kill(applies, signal.SIGKILL)
        second = await post(http, town.url, tmp_path / "runs")

        assert second is not None
        await events.wait_for("task_completed", task_id=second, timeout_s=TIMEOUT_S)
        assert writer in children_of(os.getpid())
    assert outages(events) == []
    assert events.select("child_restarted") == []


def _crashing_writer(monkeypatch: pytest.MonkeyPatch, place: Place, point: str) -> Path:
    """Have the next thing that writes die at the point; return a file that is there then."""
    crashed = place.folder / "crashed"
    if isinstance(place, PostgresPlace):
        trap = CommitTrap(point, partial(_end_session, place, crashed))
        monkeypatch.setattr(*server_commit_wrapping(trap))
    else:
        monkeypatch.setattr(spawn, "COMMAND", crashing_writer.COMMAND)
        monkeypatch.setenv("CRASH_POINT", point)
        monkeypatch.setenv("CRASHED", str(crashed))
    return crashed


async def _end_session(place: Place, crashed: Path) -> None:
    """End the session that is committing, before anything that it has answered can be read."""
    connection = committing_on.get()
    await asyncio.to_thread(crashed.touch)
    await place.fetch(f"SELECT pg_terminate_backend({connection.get_server_pid()}, 5000)")
    await connection.execute("SELECT 1")
    raise AssertionError("the session lives on")


async def _wait_for(file: Path) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not file.exists():  # noqa: ASYNC110, ASYNC240 - another process makes it
            await asyncio.sleep(0.001)
