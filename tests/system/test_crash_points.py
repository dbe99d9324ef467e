"""The whole process dies between any two steps of a task's path: what was promised is kept.

It dies by SIGKILL to itself at exactly that point, and is started again on the same database.
"""

import asyncio
import contextlib
from collections.abc import Mapping

import aiohttp
import pytest

from taskqueue import App
from tests.bytecode import KEPT
from tests.system.crash_app import make_gated_app
from tests.system.crash_fates import (
    CUT_SHORT,
    FATES,
    Found,
    all_ended,
    effects_in,
    found_in,
    left_of_gates,
    post,
    town_in,
)
from tests.system.crash_places import Place, Places, migrated_template, place, places, postgres
from tests.system.crash_points import POINTS, SHORT_CUT_POINTS
from tests.system.crashing_service import CrashingService
from tests.system.services import TIMEOUT_S

__all__ = ["migrated_template", "place", "places", "postgres"]

pytestmark = pytest.mark.long

AT_ONCE = 3  # crashing services, of which each has its own folder


def test_every_point_has_a_fate() -> None:
    assert tuple(FATES) == POINTS


@pytest.fixture(scope="module")
def crashes(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    bytecode: None,
    places: Places,
) -> Mapping[str, Found | BaseException]:
    """What came of a crash at each point that is asked for: some at once, to save time.

    A failure belongs to its own point: the other crashes go on.
    """
    wanted = {
        item.callspec.params["point"]
        for item in request.session.items
        if getattr(item, "originalname", "") == test_the_process_dies.__name__
    }

    async def crash_all() -> Mapping[str, Found | BaseException]:
        turn = asyncio.Semaphore(AT_ONCE)

        async def crash(point: str) -> Found:
            async with turn, places(tmp_path_factory.mktemp("crash")) as place:
                return await _crash(place, point)

        found = await asyncio.gather(*map(crash, wanted), return_exceptions=True)
        return dict(zip(wanted, found, strict=True))

    return asyncio.run(crash_all())


@pytest.mark.timeout(480)  # the first one waits for all
@pytest.mark.parametrize("point", POINTS)
def test_the_process_dies(crashes: Mapping[str, Found | BaseException], point: str) -> None:
    fate, found = FATES[point], crashes[point]

    if isinstance(found, BaseException):
        raise found
    assert (found.told is not None) == fate.told
    assert len(found.ids) == fate.there
    assert found.told in (None, *found.ids)
    assert found.status == ("completed" if fate.there else None)
    assert found.outcomes == list(fate.outcomes)
    assert found.deliveries == fate.deliveries
    assert found.runs in (fate.runs or [0])
    assert found.effects == fate.there


COMMITS = [point for point in POINTS if "commit" in point]


@pytest.mark.parametrize("point", COMMITS)
async def test_the_process_dies_with_a_task_that_has_a_limit_a_turn_and_a_group(
    place: Place, bytecode: None, point: str
) -> None:
    found = await _crash(place, point, app=make_gated_app())

    fate = FATES[point]
    assert (found.told is not None, len(found.ids)) == (fate.told, fate.there)
    assert found.outcomes == list(fate.outcomes)
    assert (found.deliveries, found.effects) == (fate.deliveries, fate.there)
    assert await left_of_gates(place) == []


def test_every_point_of_the_short_cut_has_a_fate() -> None:
    assert tuple(CUT_SHORT) == SHORT_CUT_POINTS


@pytest.mark.parametrize("point", SHORT_CUT_POINTS)
async def test_the_process_dies_where_a_task_is_claimed_as_it_is_inserted(
    place: Place, bytecode: None, point: str
) -> None:
    fate, told, runs = CUT_SHORT[point], [], place.folder / "runs"
    flags = ("--app", "tests.system.crash_app:app", "--consumers", "1", *place.flags)
    runs.touch()
    async with (
        CrashingService(place.folder, *flags, env=_env(point)) as crashing,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
    ):
        await place.make_effects()
        with contextlib.suppress(aiohttp.ClientConnectionError):
            while True:  # the first ones may come before the queue knows that nobody waits
                told.append(await post(http, crashing.url, runs))
                await all_ended(place)
        async with asyncio.timeout(TIMEOUT_S):
            assert await crashing.wait() == -9
    await place.end_leases()
    async with town_in(place, consumers=1) as town:
        await town.all_ended()

    rows = await place.fetch("SELECT id, status, deliveries FROM tasks")
    tasks = {task_id: rest for task_id, *rest in rows}
    effects = await effects_in(place)
    cut_short = tasks.keys() - set(told)
    assert [tasks.pop(task) for task in cut_short] == [["completed", fate.deliveries]] * fate.there
    assert all(status == "completed" for status, _ in tasks.values())
    assert sorted(effects) == sorted({*tasks, *cut_short})
    assert len(runs.read_text().splitlines()) == len(effects)


def _env(point: str) -> dict[str, str]:
    return {"CRASH_POINT": point, **KEPT}


async def _crash(place: Place, point: str, app: App | None = None) -> Found:
    """Have a service crash at the point, start another one on its database, and look."""
    told = None
    # Without consumers nothing is claimed before the client has heard.
    name, group = ("app", None) if app is None else ("gated_app", "import")
    flags = ("--app", f"tests.system.crash_app:{name}", "--consumers", "0", *place.flags)
    async with (
        CrashingService(place.folder, *flags, env=_env(point)) as crashing,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http,
    ):
        await place.make_effects()
        with contextlib.suppress(aiohttp.ClientConnectionError):
            told = await post(http, crashing.url, place.folder / "runs", group=group)
            async with http.put(f"{crashing.url}/supervision/consumers", json={"count": 1}):
                pass
        async with asyncio.timeout(TIMEOUT_S):
            assert await crashing.wait() == -9
    await place.end_leases()
    async with town_in(place, consumers=1, app=app) as town:
        await town.all_ended()
    return await found_in(place, told)
