"""Before and after the faults: the table of the handlers, and the wait for the last task."""

import asyncio
import contextlib
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp

from taskqueue.verification.app import MAKE_EFFECTS
from taskqueue.verification.ledger import ENDED
from taskqueue.verification.load import Load
from taskqueue.verification.site import Site

CALM_LIMIT_S = 120.0  # for all tasks to end after the last fault
POLL_S = 0.1


def make_effects(database: Path) -> None:
    """Make the handlers' own table, as a user would beside a running service."""
    with closing(sqlite3.connect(database)) as db:
        db.execute(MAKE_EFFECTS)


async def calm(site: Site, load: Load) -> None:
    """Wait until all tasks have ended; the ledger names those that have not after the limit."""
    await site.ready()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CALM_LIMIT_S), aiohttp.ClientSession() as http:
            await load.resume(http)
            while await _unfinished(http, site):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(POLL_S)


async def _unfinished(http: aiohttp.ClientSession, site: Site) -> int:
    with contextlib.suppress(aiohttp.ClientError):
        async with http.get(f"{site.url}/stats") as answer:
            if answer.status == 200:
                tasks: dict[str, int] = (await answer.json())["tasks"]
                return sum(number for status, number in tasks.items() if status not in ENDED)
    return 1
