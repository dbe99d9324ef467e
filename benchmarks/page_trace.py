"""How long the tasks of the page's main thread take, and how much of that it computes.

On a machine whose processors are all busy a task waits for one in its midst. The browser's trace
has both times of each task, so it tells what the page did from what others did meanwhile.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.page_site import browser, loaded, serving, window
from benchmarks.page_user import User

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

WINDOW_S = 30.0  # of a trace, which has to fit into the browser's memory
POLL_MS = 50.0

MAIN_THREAD = "CrRendererMain"
TASK = "RunTask"


@dataclass(frozen=True, slots=True, kw_only=True)
class MainTask:
    """A task of the main thread, ms."""

    computed: float
    lasted: float


def main_tasks(seconds: float) -> Sequence[MainTask]:
    """Work with the page for so many seconds under load; return all tasks of its main thread."""
    with serving() as site, loaded(site), browser() as opened, window(opened) as page:
        page.goto(site.url)
        user = User(page)
        user.turn()  # what only the first one loads is not counted
        found: list[MainTask] = []
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            with _traced(opened, page) as events:
                user.turns(min(ends_at, time.monotonic() + WINDOW_S))
            found += _main_tasks(events)
    return found


@contextmanager
def _traced(opened: "Browser", page: "Page") -> Iterator[Sequence[dict[str, Any]]]:
    """Yield a list that has the events of the block after it.

    Raises:
        RuntimeError: there were too many of them.
    """
    session = opened.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    session.on("Tracing.dataCollected", lambda part: events.extend(part["value"]))
    session.on("Tracing.tracingComplete", lambda end: ends.append(end))  # noqa: PLW0108 - it sets an attribute
    config = {"includedCategories": ["toplevel", "__metadata"], "recordMode": "recordUntilFull"}
    session.send("Tracing.start", {"traceConfig": config, "transferMode": "ReportEvents"})
    yield events
    session.send("Tracing.end")
    while not ends:
        page.wait_for_timeout(POLL_MS)
    session.detach()
    if ends[0]["dataLossOccurred"]:
        raise RuntimeError(f"the trace of {WINDOW_S:g} s did not fit into the browser's memory")


def _main_tasks(events: Sequence[dict[str, Any]]) -> list[MainTask]:
    main = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == MAIN_THREAD
    }
    return [
        MainTask(computed=event["tdur"] / 1_000, lasted=event["dur"] / 1_000)
        for event in events
        if (event["pid"], event["tid"]) in main and TASK in event["name"] and "tdur" in event
    ]
