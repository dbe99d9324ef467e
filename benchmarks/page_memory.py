"""Whether the memory of the page grows while it is used under load."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.page_site import browser, loaded, serving, window

if TYPE_CHECKING:
    from playwright.sync_api import CDPSession

TURNS = Path(__file__).with_name("page_turns.js")

# The engine compiles a function when it has run often enough, and notes what types it has met. With
# these flags it notes all at once and compiles nothing, so only the page's own objects can grow.
WITHOUT_COMPILER = "--js-flags=--jitless --no-lazy-feedback-allocation"

COLLECTIONS = 8  # compiled code that is not used any more only goes after several
COLLECTION_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the page's scripts hold, MiB without garbage."""

    first: float
    """After the first turn of all interactions."""
    warm: float
    """After a tenth of the time."""
    halfway: float
    last: float


def memory(seconds: float) -> Memory:
    """Use the page for so many seconds under load, in a browser as people have it."""
    return _memory(seconds)


def memory_of_objects(seconds: float) -> Memory:
    """Do the same where the engine adds nothing of its own with time."""
    return _memory(seconds, WITHOUT_COMPILER)


def _memory(seconds: float, *flags: str) -> Memory:
    with serving() as site, loaded(site), browser(*flags) as opened, window(opened) as page:
        page.add_init_script(path=TURNS)
        page.set_default_timeout(0)  # for the turns
        page.goto(site.url)
        profiler = page.context.new_cdp_session(page)
        found: list[float] = []
        for part_s in _parts(seconds):
            page.evaluate("(seconds) => pageTurns(seconds)", part_s)
            found.append(_held_mb(profiler))
    first, warm, halfway, last = found
    return Memory(first=first, warm=warm, halfway=halfway, last=last)


def _parts(seconds: float) -> Sequence[float]:
    """Return how long to use the page before each look."""
    return 0.0, 0.1 * seconds, 0.4 * seconds, 0.5 * seconds


def _held_mb(profiler: "CDPSession") -> float:
    for _ in range(COLLECTIONS):
        profiler.send("HeapProfiler.collectGarbage")
        time.sleep(COLLECTION_S)
    return float(profiler.send("Runtime.getHeapUsage")["usedSize"]) / 2**20
