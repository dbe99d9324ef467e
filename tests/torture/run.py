"""One run: load and faults, then calm, then the ledger."""

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.torture.app import MAKE_EFFECTS
from tests.torture.faults import harass, spoil_the_making
from tests.torture.ledger import ENDED, Books, violations
from tests.torture.load import Load
from tests.torture.site import GAVE_UP, Site

CALM_LIMIT_S = 120.0  # for everything to end once nobody does any harm
POLL_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a run."""

    seed: int
    took_s: float
    calm_s: float  # from the last fault to the end of the last task
    books: Books
    pauses: int
    has_shim: bool
    violations: Mapping[str, Sequence[str]]
    injected: Mapping[str, int]
    lives: int
    gave_up: int
    restarts: int

    @property
    def passed(self) -> bool:
        """Whether every promise was kept."""
        return not any(self.violations.values())


async def torture(
    folder: Path, *, seconds: float, seed: int, on: Callable[[str], None] = lambda _: None
) -> Run:
    """Run the service under load and do it harm for so many seconds; then compare the books.

    Args:
        folder: an empty one, for the database and the logs.
        seconds: how long.
        seed: decides what is posted and what harm is done, though not how threads are scheduled.
        on: hears what is done now.
    """
    site = Site(folder)
    load = Load(seed, lambda: site.url)
    injected: Counter[str] = Counter()
    began_at = time.monotonic()
    await spoil_the_making(site, seed, on)
    async with site.open():
        _make_effects(site.database)
        async with load.on():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await harass(site, seed, injected, on)
        calm_from = time.monotonic()
        on("calm")
        await _calm(site, load)
        calm_s = time.monotonic() - calm_from
        await site.close()
    books = Books.read(site.database, load.notes)
    return Run(
        seed=seed,
        took_s=time.monotonic() - began_at,
        calm_s=calm_s,
        books=books,
        pauses=load.pauses,
        has_shim=site.disk is not None,
        violations={**violations(books), "surprises of the service": site.surprises},
        injected=injected,
        lives=site.ends.total(),
        gave_up=site.ends[GAVE_UP],
        restarts=site.restarts,
    )


def _make_effects(database: Path) -> None:
    """Make the handlers' own table, as a user would beside a service that runs."""
    with closing(sqlite3.connect(database)) as db:
        db.execute(MAKE_EFFECTS)


async def _calm(site: Site, load: Load) -> None:
    """Wait until all tasks have ended; what has not by the limit is for the ledger to tell."""
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
