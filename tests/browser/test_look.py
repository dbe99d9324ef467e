"""How the page looks: pictures of every screen, nothing cut off; and what a browser keeps of it.

The pictures are written to PICTURES, if it names a folder, for people to look at.
"""

import os
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
SCREENS = {
    "overview": ("", "Supervision"),
    "tasks": ("#/tasks", "Created"),
    "empty": ("#/tasks?text=nothing-has-this", "No task matches"),
    "task": ("#/tasks/{dead}", "Traceback"),
    "queues": ("#/queues", "mail"),
    "schedules": ("#/schedules", "At 03:00 every day"),
    "schedule": ("#/schedules/nightly", "Next slots"),
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
    site.service.kill()
    await expect(page.get_by_text("Reconnecting")).to_have_count(1)
    await keep(page, f"reconnecting-{window}")

    assert too_wide == []


async def test_a_browser_keeps_the_files(site: Site) -> None:
    page = await site.open("#/queues")
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    entries = "performance.getEntriesByType('resource').filter((each) => each.transferSize > 0)"
    await page.reload()
    await expect(page.get_by_role("heading", name="Queues")).to_be_visible()
    fetched = await page.evaluate(f"{entries}.map((each) => each.name)")

    assert [name for name in fetched if "/assets/" in name] == []
