"""The process that writes dies around each of its commits, or the one that applies statements."""

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
    database_in,
    found_in,
    make_effects,
    post,
    town_in,
    wait_for,
    was_done_once,
)
from tests.system.crash_points import POINTS, SHORT_CUT_POINTS
from tests.system.services import TIMEOUT_S

pytestmark = pytest.mark.long

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
        monkeypatch.setattr(crash_app, "end", partial(wait_for, crashed))

    async with (
        town_in(tmp_path, consumers=0, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        make_effects(tmp_path)
        told = await post(http, town.url, tmp_path / "runs", action)
        await town.resize(1)
        await events.wait_for("storage_degraded", timeout_s=TIMEOUT_S)
        await town.all_ended()
        after = await town.post_until_accepted(http, tmp_path / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = found_in(tmp_path, told, but=after)

    assert (found.told is not None, len(found.ids)) == (FATES[point].told, FATES[point].there)
    was_done_once(found, crashes=0, effects=effects)
    [degraded] = {each["reason"] for each in events.select("storage_degraded")}
    assert degraded == "the process that writes has ended by signal 9"
    assert events.select("child_restarted") == []


@pytest.mark.parametrize("point", SETTLEMENTS)
async def test_the_process_that_applies_statements_dies_and_only_their_task_waits(
    tmp_path: Path, events: EventLog, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    crashed = _crashing_writer(monkeypatch, tmp_path, point)

    async with (
        town_in(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        make_effects(tmp_path)
        told = await post(http, town.url, tmp_path / "runs")
        assert told is not None
        await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
    found = found_in(tmp_path, told)

    assert crashed.exists()
    was_done_once(found, crashes=0)
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
        town_in(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        make_effects(tmp_path)
        async with asyncio.timeout(TIMEOUT_S):
            while not crashed.exists():  # until the queue knows that nobody waits
                told.append(await post(http, town.url, tmp_path / "runs"))
                await town.all_ended()
        told.append(await town.post_until_accepted(http, tmp_path / "runs"))
        await town.all_ended()

    with database_in(tmp_path) as db:
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
        town_in(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())  # that for statements is started when there are some
        make_effects(tmp_path)
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
        town_in(tmp_path, consumers=1, writes_in="process") as town,
        aiohttp.ClientSession() as http,
    ):
        [writer] = children_of(os.getpid())
        make_effects(tmp_path)
        first = await post(http, town.url, tmp_path / "runs")
        await events.wait_for("task_completed", task_id=first, timeout_s=TIMEOUT_S)
        [applies] = set(children_of(os.getpid())) - {writer}

        os.kill(applies, signal.SIGKILL)
        second = await post(http, town.url, tmp_path / "runs")

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
