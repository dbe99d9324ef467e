"""One part of the service dies between any two steps of a task's path, and the rest lives on."""

import asyncio
import contextlib
from pathlib import Path

import aiohttp
import pytest

from taskqueue.actors.messages import DATABASE, GATEWAY, QUEUE
from taskqueue.testing.events import EventLog
from tests.system.crash_fates import (
    CONSUMER,
    FATES,
    Town,
    found_in,
    make_effects,
    post,
    town_in,
    was_done_once,
)
from tests.system.crash_points import POINTS, Trap, wrappings
from tests.system.services import TIMEOUT_S

pytestmark = pytest.mark.long

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

    async with town_in(tmp_path, consumers=0) as town, aiohttp.ClientSession() as http:
        towns.append(town)
        make_effects(tmp_path)
        told = None
        with contextlib.suppress(aiohttp.ClientConnectionError):
            told = await post(http, town.url, tmp_path / "runs")
        await town.resize(1)
        await town.all_ended()
        if told is not None:
            await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
        assert await asyncio.to_thread(trap.sprung.wait, TIMEOUT_S)
        after = await town.post_until_accepted(http, tmp_path / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = found_in(tmp_path, told, but=after)

    assert FATES[point].there <= len(found.ids) or found.told is None
    was_done_once(found, crashes=int(victim == CONSUMER))
    if found.ids and victim != CONSUMER:  # nobody else's death costs a run
        assert found.runs == 1
    [restarted] = events.select("child_restarted")
    assert (restarted["child_id"], restarted["reason"]) == (victim, "killed")
    assert events.select("actor_abandoned") == []
