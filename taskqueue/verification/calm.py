"""Before and after the faults: the tables of the handlers, and the wait for the last task."""

import asyncio
import contextlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from taskqueue.verification import statements
from taskqueue.verification.ledger import ENDED
from taskqueue.verification.load import Load

CALM_LIMIT_S = 120.0  # for all tasks to end after the last fault
POLL_S = 0.1


class Reachable(Protocol):
    """One service or several, on one database."""

    @property
    def url(self) -> str:
        """Where a service is now, or was last."""
        ...

    async def ready(self) -> None:
        """Wait until it accepts tasks."""
        ...


def make_tables(database: Path) -> None:
    """Make the handlers' own tables, as a user would beside a running service."""
    with closing(sqlite3.connect(database)) as db:
        for statement in statements.SQLITE.make_tables:
            db.execute(statement)


async def calm(site: Reachable, load: Load, *, limit_s: float = CALM_LIMIT_S) -> float:
    """Wait up to `limit_s` until all tasks have ended, and no slot of a schedule is due.

    The ledger names what is left after the limit. Returns the instant since which it was calm.
    """
    await site.ready()
    calm_at = time.time()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s), aiohttp.ClientSession() as http:
            await load.resume(http)
            await load.reset_limit(http)
            while not await _is_over(http, site, calm_at):  # noqa: ASYNC110 - it is another process
                await asyncio.sleep(POLL_S)
    return calm_at


async def _is_over(http: aiohttp.ClientSession, site: Reachable, calm_at: float) -> bool:
    with contextlib.suppress(aiohttp.ClientError):
        async with http.get(f"{site.url}/schedules") as answer:
            if answer.status != 200 or _is_due(await answer.json(), calm_at):
                return False
        async with http.get(f"{site.url}/stats") as answer:
            if answer.status == 200:
                tasks: dict[str, int] = (await answer.json())["tasks"]
                return ENDED.issuperset(status for status, number in tasks.items() if number)
    return False


def _is_due(answer: Any, calm_at: float) -> bool:
    instants = [each[name] for each in answer["schedules"] for name in ("next_at", "waiting_from")]
    return any(at is not None and at <= calm_at for at in instants)
