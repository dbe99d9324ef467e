"""Clients follow the pages of a list by themselves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from taskqueue import AsyncClient, Client

IDS = [f"{n:08x}-0000-7000-8000-000000000000" for n in range(7)]
PAGE = 3  # what the server sends at once, whatever it is asked for

_SCHEDULE = {
    "action": "report",
    "when": "Every minute",
    "paused": False,
    "paused_because": None,
    "next_at": 1.0,
    "last": None,
    "cron": None,
    "every_s": 60,
    "timezone": "UTC",
    "data": {},
    "missed": "latest",
    "within_s": None,
    "overlap": "skip",
    "origin": "api",
    "active_from": 0.0,
    "paused_at": None,
    "created_at": 0.0,
    "changed_at": 0.0,
    "fired_slots": 0,
    "skipped_slots": 0,
    "missed_slots": 0,
}
_LIMIT = {
    "allows": {"running": 1, "starts": None, "per_s": None, "burst": None},
    "declared": None,
    "changed_at": 0.0,
    "running": 0,
    "waiting": 0,
}
_CHANGE = {
    "at": 0.0,
    "role": "admin",
    "who": "ci",
    "remote": "::1",
    "method": "POST",
    "path": "/",
    "status": 200,
    "body": None,
}
LISTS = {"schedules": ("name", _SCHEDULE), "limits": ("name", _LIMIT), "audit": ("id", _CHANGE)}
FIELDS = {"audit": "changes"}


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[str, list[str]]]:
    """A server with short pages: its URL, and the queries that it gets."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.query_string)
        place = request.path[1:]
        key, entry = LISTS[place]
        cursor = request.query.get("cursor")
        begin = 0 if cursor is None else IDS.index(cursor) + 1
        shown = IDS[begin : begin + min(PAGE, int(request.query.get("limit", PAGE)))]
        following = shown[-1] if begin + len(shown) < len(IDS) else None
        entries = [{key: each, **entry} for each in shown]
        return web.json_response({FIELDS.get(place, place): entries, "next": following})

    app = web.Application()
    app.router.add_get("/{place}", answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/"), asked


async def test_a_client_lists_all_schedules_and_all_limits() -> None:
    def script(url: str) -> tuple[list[str], list[str]]:
        with Client(url) as queue:
            schedules = [each.name for each in queue.schedules.list()]
            return schedules, [each.name for each in queue.limits()]

    async with serving() as (url, asked):
        found = await asyncio.to_thread(script, url)

    assert found == (IDS, IDS)
    assert asked == ["", f"cursor={IDS[2]}", f"cursor={IDS[5]}"] * 2


async def test_an_asynchronous_client_lists_all_schedules_and_all_limits() -> None:
    async with serving() as (url, _), AsyncClient(url) as queue:
        schedules = [each.name for each in await queue.schedules.list()]
        limits = [each.name for each in await queue.limits()]

    assert (schedules, limits) == (IDS, IDS)


async def test_a_client_gets_as_many_changes_as_it_asks_for() -> None:
    def script(url: str) -> list[list[str]]:
        with Client(url) as queue:
            asked = [{"limit": 5}, {"limit": 100}, {"limit": 2, "cursor": IDS[3]}]
            return [[each.id for each in queue.audit(**each)] for each in asked]

    async with serving() as (url, _):
        found = await asyncio.to_thread(script, url)

    assert found == [IDS[:5], IDS, IDS[4:6]]


async def test_an_asynchronous_client_asks_for_the_changes_of_a_task() -> None:
    async with serving() as (url, asked), AsyncClient(url) as queue:
        found = [each.id for each in await queue.audit(limit=4, task="some-task")]

    assert found == IDS[:4]
    assert asked == ["limit=4&task=some-task", f"limit=1&cursor={IDS[2]}&task=some-task"]
