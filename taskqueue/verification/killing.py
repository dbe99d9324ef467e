"""One run: a service is killed under load again and again, and then everything is compared."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from taskqueue.structs import Struct
from taskqueue.verification.books import Books
from taskqueue.verification.calm import calm, make_tables
from taskqueue.verification.ledger import violations
from taskqueue.verification.load import Load
from taskqueue.verification.site import Site

_LIFE_S = (0.3, 3.0)  # how long a life runs after it was ready


class Progress(Struct):
    """How far a run is."""

    kills: int
    accepted: int


class Verdict(Struct):
    """What came of a run. `broken` has the violations of each promise, without those kept."""

    kills: int
    posted: int
    accepted: int
    completed: int
    ended: int
    promises: int
    broken: Mapping[str, Sequence[str]]


async def kill_and_compare(
    folder: Path, *flags: str, seconds: float, seed: int, on: Callable[[Progress], object]
) -> Verdict:
    """Run a service in an empty folder under load, kill it for so many seconds, and compare.

    Args:
        folder: for the database and the logs.
        flags: of the service, such as its `--synchronous`.
        seconds: of load and kills; it takes a little longer until every task has ended.
        seed: decides what is posted and when the service is killed.
        on: is called after each kill.

    Raises:
        NeverReady: the service cannot be started there.
    """
    site = Site(folder, *flags)
    load = Load(seed, lambda: site.url)
    kills = 0
    async with site.open():
        make_tables(site.database)
        async with load.on():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    draw = random.Random(f"{seed}/kills")
                    while True:
                        await site.ready()
                        await asyncio.sleep(draw.uniform(*_LIFE_S))
                        await site.service.kill()
                        kills += 1
                        on(Progress(kills=kills, accepted=_accepted(load)))
        calm_at = await calm(site, load)
        await site.service.close()
        runs = await site.evidence.runs()
    books = Books.read(site.database, load.notes, runs, calm_at=calm_at)
    return _verdict(kills, books, site.service.surprises)


def _accepted(load: Load) -> int:
    return sum(note.accepted for note in load.notes)


def _verdict(kills: int, books: Books, surprises: Sequence[str]) -> Verdict:
    found = {**violations(books), "surprises in the log": tuple(surprises)}
    ends = [task["status"] for task in books.tasks if task["processed_at"] is not None]
    return Verdict(
        kills=kills,
        posted=len(books.notes),
        accepted=sum(note.accepted for note in books.notes),
        completed=ends.count("completed"),
        ended=len(ends),
        promises=len(found),
        broken={name: each for name, each in found.items() if each},
    )
