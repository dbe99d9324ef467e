"""One run: load and faults, then calm, then the ledger."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taskqueue.verification.books import Books
from taskqueue.verification.calm import calm, make_tables
from taskqueue.verification.ledger import violations
from taskqueue.verification.load import Load
from taskqueue.verification.site import GAVE_UP
from tests.torture.faults import harass, spoil_the_making
from tests.torture.site import FaultySite


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
    site = FaultySite(folder)
    load = Load(seed, lambda: site.url)
    injected: Counter[str] = Counter()
    began_at = time.monotonic()
    await spoil_the_making(site, seed, on)
    async with site.open():
        make_tables(site.database)
        async with load.on():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await harass(site, seed, injected, on)
        calm_from = time.monotonic()
        on("calm")
        calm_at = await calm(site, load)
        calm_s = time.monotonic() - calm_from
        await site.close()
        runs = await site.evidence.runs()
    books = Books.read(site.database, load.notes, runs, calm_at=calm_at)
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
