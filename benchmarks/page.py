"""The figures of the page: a real Chromium before a service with 200,000 tasks.

    python -m benchmarks page --seconds 600 --rounds 1     # is its memory flat?

While a user works with the page, 2,000 tasks a second come in and are completed; where the machine
is too slow for that, `page.load` says so. An interaction lasts from the input event to the paint
that shows its outcome, as the page itself tells; a search begins when the page has seen that the
typing pauses, for which it waits a quarter of a second.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks import chromium
from benchmarks.harness import Figure
from benchmarks.load import quantile
from benchmarks.page_memory import Memory, memory, memory_of_objects
from benchmarks.page_site import (
    PER_SECOND,
    SETTLED_S,
    Site,
    browser,
    loaded,
    serving,
    window,
)
from benchmarks.page_trace import main_tasks
from benchmarks.page_user import INTERACTIONS, work
from benchmarks.results import Target
from benchmarks.runs import Runs

if TYPE_CHECKING:
    from playwright.sync_api import Page

LEAST_WINDOW_S = 5.0  # in which the processor time is counted: what is asked now and then is in it
LEAST_LOOKS = 7
NEVER = 1e-6  # a ratio needs a number above 0

FIRST = Target("ours", "≤", 300)
FLAT, WARMED_UP = Target("ratio", "≤", 1.1), Target("ratio", "≤", 1.2)


# --- the service ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """How much of a core the service takes, in percent."""

    with_page: float
    without: float


def idle_cost(seconds: float) -> Cost:
    """Return the cost of an open page where nothing happens."""
    with serving() as site:
        return _cost(site, seconds)


def calm_cost(seconds: float) -> Cost:
    """Return the cost of an open page while a tenth of the load comes in."""
    with serving() as site, loaded(site, PER_SECOND // 10):
        return _cost(site, seconds)


def loaded_cost(seconds: float) -> Cost:
    """Return the cost of an open page under load."""
    with serving() as site, loaded(site):
        return _cost(site, seconds)


def _cost(site: Site, seconds: float) -> Cost:
    """Open and close the page in turns, so that what changes meanwhile changes both."""
    part_s = max(seconds / 4, LEAST_WINDOW_S)
    with browser() as opened, window(opened) as page:

        def percent(url: str) -> float:
            page.goto(url)
            if url == site.url:
                page.evaluate("pageClock.wholeAt()")  # once, not for as long as it is open
            time.sleep(SETTLED_S)
            return site.percent(part_s)

        urls = ("about:blank", site.url, site.url, "about:blank")
        before, first, second, after = map(percent, urls)
    return Cost(with_page=(first + second) / 2, without=(before + after) / 2)


# --- the first look -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How the page comes up in a browser that has never seen it."""

    first_paint_ms: float
    first_contentful_paint_ms: float
    tree_ms: float
    shown_kb: float
    """Over the wire, with headers, until the charts are there: files, first answers of calls."""
    whole_kb: float
    """The same, when the other screens have been loaded, too."""
    bare_ms: float
    """The first paint of a text that the same service sends."""


def look(seconds: float) -> Look:
    """Look at the page of an idle service, again and again; return the medians."""
    with serving() as site, browser() as opened:
        looks: list[Look] = []
        ends_at = time.monotonic() + seconds
        while len(looks) < LEAST_LOOKS or time.monotonic() < ends_at:
            with window(opened) as page:
                bare_ms = _bare_ms(page, site)
            with window(opened) as page:
                looks.append(_look(page, site, bare_ms))
        return _median(looks)


def _look(page: "Page", site: Site, bare_ms: float) -> Look:
    received = _received(page)
    page.goto(site.url)
    tree_ms = float(page.evaluate("pageClock.treeAt()"))
    page.wait_for_selector(".uplot")
    shown_kb = sum(received.values()) / 1_000
    page.evaluate("pageClock.wholeAt()")
    paints = page.evaluate("pageClock.paints()")
    return Look(
        first_paint_ms=paints["first-paint"],
        first_contentful_paint_ms=paints["first-contentful-paint"],
        tree_ms=tree_ms,
        shown_kb=shown_kb,
        whole_kb=sum(received.values()) / 1_000,
        bare_ms=bare_ms,
    )


def _received(page: "Page") -> dict[str, float]:
    """Return the bytes of each address that the page loads from now on; the first time counts."""
    addresses: dict[str, str] = {}
    received: dict[str, float] = {}

    def on_request(event: dict[str, Any]) -> None:
        addresses[event["requestId"]] = event["request"]["url"]

    def on_end(event: dict[str, Any]) -> None:
        received.setdefault(addresses[event["requestId"]], event["encodedDataLength"])

    network = page.context.new_cdp_session(page)
    network.on("Network.requestWillBeSent", on_request)
    network.on("Network.loadingFinished", on_end)
    network.send("Network.enable")
    return received


def _bare_ms(page: "Page", site: Site) -> float:
    page.goto(f"{site.url}health")
    return float(page.evaluate("pageClock.painted()"))


def _median(looks: Sequence[Look]) -> Look:
    def of(value: Callable[[Look], float]) -> float:
        return statistics.median(map(value, looks))

    return Look(
        first_paint_ms=of(lambda each: each.first_paint_ms),
        first_contentful_paint_ms=of(lambda each: each.first_contentful_paint_ms),
        tree_ms=of(lambda each: each.tree_ms),
        shown_kb=of(lambda each: each.shown_kb),
        whole_kb=of(lambda each: each.whole_kb),
        bare_ms=of(lambda each: each.bare_ms),
    )


# --- all of it ------------------------------------------------------------------------------------

WORK, LOOK, TASKS = Runs(work), Runs(look), Runs(main_tasks)
MEMORY, OBJECTS = Runs(memory), Runs(memory_of_objects)
IDLE, CALM, LOADED = Runs(idle_cost), Runs(calm_cost), Runs(loaded_cost)


def _first(name: str, value: Callable[[Look], float], target: Target | None) -> Figure:
    return Figure(
        name=f"page.{name}",
        unit="ms",
        ours=LOOK.read(value),
        against="the first paint of a short text of the same service",
        floor=LOOK.read(lambda run: run.bare_ms),
        target=target,
    )


def _size(name: str, value: Callable[[Look], float]) -> Figure:
    return Figure(
        name=f"page.{name}",
        unit="KB",
        ours=LOOK.read(value),
        against="150 KB",
        floor=lambda _: 150.0,
        target=Target("ours", "≤", 150),
    )


def _heap(
    name: str,
    runs: Runs[Memory],
    earlier: Callable[[Memory], float],
    against: str,
    target: Target,
) -> Figure:
    return Figure(
        name=f"page.{name}",
        unit="MB",
        ours=runs.read(lambda run: run.last),
        against=against,
        floor=runs.read(earlier),
        target=target,
    )


def _interaction(name: str) -> Figure:
    return Figure(
        name=f"page.{name}_p95",
        unit="ms",
        ours=WORK.read(lambda run: quantile(run.took_ms[name], 0.95)),
        against=f"its own p50; {INTERACTIONS[name]}",
        floor=WORK.read(lambda run: quantile(run.took_ms[name], 0.50)),
        target=Target("ours", "≤", 100),
    )


def _processor(name: str, runs: Runs[Cost], against: str) -> Figure:
    return Figure(
        name=f"page.{name}",
        unit="%",
        ours=runs.read(lambda run: run.with_page),
        against=against,
        floor=runs.read(lambda run: run.without),
        target=Target("difference", "≤", 2),
    )


_FIGURES = (
    _first("first_paint", lambda run: run.first_paint_ms, FIRST),
    _first("first_contentful_paint", lambda run: run.first_contentful_paint_ms, FIRST),
    _first("tree_shown", lambda run: run.tree_ms, None),
    _size("bytes_shown", lambda run: run.shown_kb),
    _size("bytes", lambda run: run.whole_kb),
    *map(_interaction, INTERACTIONS),
    Figure(
        name="page.longest_task",
        unit="ms",
        ours=WORK.read(lambda run: max(run.long_tasks_ms, default=NEVER)),
        against="50 ms; the browser does not tell of shorter ones",
        floor=lambda _: 50.0,
        target=Target("ours", "≤", 50),
    ),
    Figure(
        name="page.long_tasks",
        unit="/min",
        ours=WORK.read(lambda run: max(60 * len(run.long_tasks_ms) / run.seconds, NEVER)),
        against="one a minute",
        floor=lambda _: 1.0,
    ),
    Figure(
        name="page.longest_task_computed",
        unit="ms",
        ours=TASKS.read(lambda tasks: max(each.computed for each in tasks)),
        against="the longest of the same run, with the time in which it had no processor",
        floor=TASKS.read(lambda tasks: max(each.lasted for each in tasks)),
        target=Target("ours", "≤", 50),
    ),
    _heap("heap_first", MEMORY, lambda run: run.first, "after the first turn", WARMED_UP),
    _heap("heap_warm", MEMORY, lambda run: run.warm, "after a tenth of the time", WARMED_UP),
    _heap("heap", MEMORY, lambda run: run.halfway, "halfway", FLAT),
    _heap("objects", OBJECTS, lambda run: run.warm, "after a tenth of the time", FLAT),
    Figure(
        name="page.load",
        unit="tasks/s",
        ours=WORK.read(lambda run: run.completed_per_s),
        against="what is sent",
        floor=lambda _: PER_SECOND,
        target=Target("ratio", "≥", 0.95),
    ),
    _processor("processor_idle", IDLE, "the idle service without a page"),
    _processor("processor_calm", CALM, "the service with a tenth of the load without a page"),
    _processor("processor", LOADED, "the service under load without a page"),
)
FIGURES = tuple(replace(figure, missing=chromium.missing()) for figure in _FIGURES)
