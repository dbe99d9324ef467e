"""A user of the page, who does the same few things again and again while tasks come and go."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.page_site import PER_SECOND, browser, loaded, serving, window

if TYPE_CHECKING:
    from playwright.sync_api import Page

INTERACTIONS = {
    "list": "opening the list of tasks",
    "filter": "filtering by a status",
    "more": "the next page of the list",
    "search": "searching, from the pause in the typing",
    "open": "opening a task",
    "screen": "going to another screen",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What was found while a user worked with the page."""

    took_ms: Mapping[str, Sequence[float]]
    long_tasks_ms: Sequence[float]
    completed_per_s: float
    seconds: float


def work(seconds: float, per_second: int = PER_SECOND) -> Work:
    """Work with the page for so many seconds, under load."""
    with serving() as site, loaded(site, per_second), browser() as opened, window(opened) as page:
        page.goto(site.url)
        user = User(page)
        user.turn()  # what only the first one loads is not counted
        user.long_tasks_ms()
        completed, began_at = site.completed(), time.monotonic()
        turns = user.turns(began_at + seconds)
        took_s = time.monotonic() - began_at
        return Work(
            took_ms={name: [turn[name] for turn in turns] for name in INTERACTIONS},
            long_tasks_ms=user.long_tasks_ms(),
            completed_per_s=(site.completed() - completed) / took_s,
            seconds=took_s,
        )


class User:
    """Does with the page what people do."""

    def __init__(self, page: "Page") -> None:
        self._page = page

    def turn(self) -> dict[str, float]:
        """Do each interaction once, beginning and ending at the overview; return the ms of each."""
        page = self._page
        took = {"list": self._timed("list", lambda: self._go_to("tasks"))}
        took["filter"] = self._timed("filter", self._press_dead)
        self._press_dead()
        page.evaluate("pageClock.shown('list', 'filter')")
        took["more"] = self._timed("more", page.get_by_role("button", name="Load more").click)
        word = page.evaluate("pageClock.word()")
        search = page.locator("#search")
        took["search"] = self._timed("search", lambda: search.fill(word))
        page.get_by_role("button", name="Clear").click()
        page.evaluate("pageClock.shown('list')")
        page.locator("table.tasks thead").hover()  # holds the rows where they are
        first = page.locator("tr[data-id] a").first
        took["open"] = self._timed("open", first.click)
        took["screen"] = self._timed("screen", lambda: self._go_to("queues"))
        self._go_to("")
        page.locator('section[aria-label="Supervision"] tr[data-path]').first.wait_for()
        return took

    def turns(self, ends_at: float) -> list[dict[str, float]]:
        """Take turns until a time of the monotonic clock, at least one."""
        turns = [self.turn()]
        while time.monotonic() < ends_at:
            turns.append(self.turn())
        return turns

    def long_tasks_ms(self) -> list[float]:
        """Return how long each took that was long, since this was asked last."""
        return [float(each) for each in self._page.evaluate("pageClock.longTasks()")]

    def _go_to(self, screen: str) -> None:
        self._page.locator(f'nav a[href="#/{screen}"]').click()

    def _press_dead(self) -> None:
        self._page.locator("button.chip", has_text="dead").click()

    def _timed(self, name: str, act: Callable[[], object]) -> float:
        self._page.evaluate("(name) => pageClock.start(name)", name)
        act()
        return float(self._page.evaluate("pageClock.took()"))
