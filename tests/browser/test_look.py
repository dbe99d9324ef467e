"""How the page looks: pictures of every screen, nothing cut off; and what a browser keeps of it.

The pictures are written to PICTURES, if it names a folder, for people to look at.
"""

import os
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.system.services import Client, when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

WINDOWS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
    # What is left of a window of 1280 at a zoom of 200 %.
    "zoomed": {"color_scheme": "dark", "viewport": {"width": 640, "height": 430}},
}
FINGER = 44  # CSS pixels: WCAG 2.2, target size
SCREENS = {
    "overview": ("", "Supervision"),
    "tasks": ("#/tasks", "Created"),
    "empty": ("#/tasks?text=nothing-has-this", "No task matches"),
    "task": ("#/tasks/{dead}", "Traceback"),
    "queues": ("#/queues", "mail"),
    "schedules": ("#/schedules", "At 03:00 every day"),
    "schedule": ("#/schedules/nightly", "Next slots"),
    "nodes": ("#/nodes", "local"),
    "limits": ("#/limits", "Allows"),
    "limit": ("#/limits/smtp", "Nothing is used"),
    "groups": ("#/groups", "import"),
    "dead": ("#/dead", "For example"),
    "actor": ("#/actors/root/database", "Neighbours"),
    "events": ("#/events", "Who"),
    "settings": ("#/settings", "drain_s"),
}


async def keep(page: Page, name: str) -> None:
    folder = os.environ.get("PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.mark.parametrize("window", WINDOWS)
async def test_no_screen_is_wider_than_its_window(
    site: Site, http: aiohttp.ClientSession, window: str
) -> None:
    calls = Client(http, site.service)
    for i in range(5):
        url = f"https://images.example/{'long' * 20}/{i}.png"
        await calls.post("resize", url=url, options={"group": f"import-{i}" * (1 + 12 * (i == 0))})
    dead = await calls.post("mail", to="nobody" * 30)
    await calls.kill("root/consumers/consumer-1")
    await when([dead], site.service, "task_dead_lettered")
    page = await site.open(**WINDOWS[window])

    too_wide = []
    for name, (place, shows) in SCREENS.items():
        await page.goto(f"{site.url}/{place.format(dead=dead)}")
        await expect(page.locator("main")).to_contain_text(shows)
        await keep(page, f"{name}-{window}")
        widths = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        too_wide += [(name, widths)] if widths[0] > widths[1] else []
    site.expect_outage()
    site.service.kill()
    await expect(page.get_by_text("Reconnecting")).to_have_count(1)
    await keep(page, f"reconnecting-{window}")

    assert too_wide == []


async def test_the_entries_of_the_navigation_have_room_on_a_phone(site: Site) -> None:
    page = await site.open(**WINDOWS["phone"])
    entries = page.locator(".side nav > :is(a, button)")
    await expect(entries).to_have_count(6)

    boxes = await entries.evaluate_all(
        """(entries) => entries.map((each) => {
            const { left, right, top, bottom } = each.getBoundingClientRect();
            return { left, right, top, bottom, isCut: each.scrollWidth > each.clientWidth };
        })"""
    )
    for box in boxes:
        assert box["right"] - box["left"] >= FINGER
        assert box["bottom"] - box["top"] >= FINGER
        assert not box["isCut"]
    for left, right in pairwise(boxes):
        assert left["right"] <= right["left"] + 0.5
    assert boxes[0]["left"] >= 0
    assert boxes[-1]["right"] <= 390
    assert boxes[-1]["bottom"] <= 844


async def test_the_other_screens_are_behind_more_on_a_phone(site: Site) -> None:
    page = await site.open(**WINDOWS["phone"])
    limits = page.get_by_role("link", name="Limits", exact=True)
    more = page.get_by_role("button", name="More")
    await expect(limits).to_be_hidden()

    await more.click()
    await keep(page, "more-phone")
    await limits.click()

    await expect(page.get_by_role("heading", name="Limits")).to_be_visible()
    await expect(limits).to_be_hidden()
    await expect(more).to_have_attribute("aria-expanded", "false")
    await more.click()
    await page.keyboard.press("Escape")
    await expect(limits).to_be_hidden()


async def test_a_phone_shows_what_a_wide_window_does(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    calls = Client(http, site.service)
    held = await calls.post("hold", until=str(gate))
    started = await site.service.wait_for("attempt_started", task_id=held)
    page = await site.open(**WINDOWS["phone"])

    consumer = page.locator(f'.tree tr[data-path$="/{started["consumer"]}"]')
    await expect(consumer.get_by_role("link", name="hold")).to_be_visible()
    await expect(consumer.locator('[data-label="Mailbox"]')).to_be_visible()
    await page.goto(f"{site.url}/#/queues")
    queue = page.locator('tr[data-queue="default"]')
    for name in ("Consumers", "Later", "A minute", "Waited, p95", "Oldest has waited"):
        await expect(queue.locator(f'[data-label="{name}"]')).to_be_visible()
    await page.goto(f"{site.url}/#/limits")
    await expect(page.get_by_role("button", name="Change smtp")).to_be_visible()
    gate.touch()
    await when([held], site.service, "task_completed")


async def test_a_browser_keeps_the_files(site: Site) -> None:
    page = await site.open("#/queues")
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    entries = "performance.getEntriesByType('resource').filter((each) => each.transferSize > 0)"
    before = await page.evaluate(f"{entries}.map((each) => each.name)")
    await page.reload()
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    again = await page.evaluate(f"{entries}.map((each) => each.name)")

    files = {name for name in before if "/assets/" in name}
    assert files
    assert files.isdisjoint(again)  # other screens may come only now
