"""One part of the service dies between any two steps of a task's path, and the rest lives on."""

import asyncio
import contextlib

import aiohttp
import pytest

from taskqueue.actors.messages import DATABASE, GATEWAY, QUEUE
from taskqueue.testing.events import EventLog
from tests.system.crash_fates import (
    CONSUMER,
    FATES,
    Town,
    found_in,
    post,
    town_in,
    was_done_once,
)
from tests.system.crash_places import Place, migrated_template, place, places, postgres
from tests.system.crash_points import POINTS, Trap, wrappings
from tests.system.services import TIMEOUT_S

__all__ = ["migrated_template", "place", "places", "postgres"]

pytestmark = pytest.mark.long

# The consumer comes when the client has heard.
WITH_CONSUMER = POINTS[POINTS.index("before claim") :]
DEATHS = [
    *((point, victim) for point in POINTS for victim in (DATABASE, QUEUE, GATEWAY)),
    *((point, CONSUMER) for point in WITH_CONSUMER),
]


@pytest.mark.parametrize(("point", "victim"), DEATHS)
async def test_a_part_dies(
    place: Place,
    events: EventLog,
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    victim: str,
) -> None:
    towns: list[Town] = []
    trap = Trap(point, lambda: towns[0].kill(victim))
    for owner, name, wrapped in wrappings(trap):
        monkeypatch.setattr(owner, name, wrapped)

    async with town_in(place, consumers=0) as town, aiohttp.ClientSession() as http:
        towns.append(town)
        await place.make_effects()
        told = None
        with contextlib.suppress(aiohttp.ClientConnectionError):
            told = await post(http, town.url, place.folder / "runs")
        await town.resize(1)
        await town.all_ended()
        if told is not None:
            await events.wait_for("task_completed", task_id=told, timeout_s=TIMEOUT_S)
        assert await asyncio.to_thread(trap.sprung.wait, TIMEOUT_S)
        after = await town.post_until_accepted(http, place.folder / "after")
        await events.wait_for("task_completed", task_id=after, timeout_s=TIMEOUT_S)
    found = await found_in(place, told, but=after)

    assert FATES[point].there <= len(found.ids) or found.told is None
    was_done_once(found, crashes=int(victim == CONSUMER))
    if found.ids and victim != CONSUMER:  # nobody else's death costs a run
        assert found.runs == 1
    [restarted] = events.select("child_restarted")
    assert (restarted["child_id"], restarted["reason"]) == (victim, "killed")
    assert events.select("actor_abandoned") == []
