"""Screens are loaded when they are opened, or before that while the page is idle."""

import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.site import Site

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

NEVER_IDLE = "globalThis.requestIdleCallback = () => 0"
KEYS = {
    "t": "Tasks",
    "q": "Queues",
    "d": "Dead letters",
    "a": "Actors",
    "n": "Nodes",
    "l": "Limits",
    "c": "Schedules",
    "g": "Groups",
    "e": "Events",
    "s": "Settings",
    "o": "Overview",
}
LAST = "screens/settings.js"  # in the order in which they are loaded


def heading(page: Page, name: str):
    return page.get_by_role("heading", name=name, exact=True, level=1)


async def go(page: Page, key: str) -> None:
    """Go to a screen by its keys, with no pause between them, however busy the machine is."""
    event = "new KeyboardEvent('keydown', { key, bubbles: true })"
    press = f"(keys) => keys.forEach((key) => document.body.dispatchEvent({event}))"
    await page.evaluate(press, ["g", key])


async def lose(site: Site, page: Page) -> None:
    """Kill the service, and wait until the page says so."""
    site.expect_outage()
    site.service.kill()
    await site.service.wait()
    await expect(page.get_by_text("Reconnecting")).to_be_visible()


async def test_a_screen_that_is_opened_first_during_an_outage_is_shown_after_it(
    site: Site,
) -> None:
    page = await site.open(script=NEVER_IDLE)
    await expect(heading(page, "Overview")).to_be_visible()

    await lose(site, page)
    await page.get_by_role("link", name="Queues", exact=True).click()
    await expect(page.locator("main .loading")).to_have_count(1)
    await page.wait_for_event("requestfailed", lambda request: "queues.js" in request.url)
    await expect(page.locator("main .loading")).to_have_count(1)
    await expect(page.get_by_role("alert")).to_have_count(0)
    await site.start()

    await expect(heading(page, "Queues")).to_be_visible()
    await expect(page.locator('tr[data-queue="mail"]')).to_be_visible()
    await expect(page.locator(".link")).to_have_text("Live")


async def test_the_other_screens_are_loaded_while_the_page_is_idle(site: Site) -> None:
    page = await site.open()
    async with page.expect_request_finished(lambda request: LAST in request.url):
        pass
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await lose(site, page)
    for key, name in KEYS.items():
        await go(page, key)
        current = page.locator("nav [aria-current=page]")
        await expect(current).to_contain_text(name.split()[0])
        await expect(page.locator("main :is(.loading, h1)")).not_to_have_count(0)
        await expect(page.get_by_role("alert")).to_have_count(0)
    assert [url for url in asked if url.endswith(".js")] == []


async def test_a_deep_link_loads_neither_the_charts_nor_other_screens(site: Site) -> None:
    page = await site.open("#/limits", script=NEVER_IDLE)
    await expect(page.get_by_role("link", name="smtp")).to_be_visible()

    loaded = await page.evaluate(
        "performance.getEntriesByType('resource').map((each) => each.name.split('/').at(-1))"
    )

    assert "limits.js" in loaded
    assert not {"uplot.js", "charts.js", "tasks.js", "queues.js"} & {*loaded}


async def test_the_keyboard_reaches_every_screen(site: Site) -> None:
    page = await site.open(script=NEVER_IDLE)
    await expect(heading(page, "Overview")).to_be_visible()

    for key, name in KEYS.items():
        await go(page, key)
        await expect(heading(page, name)).to_be_visible()


async def test_the_palette_reaches_every_screen(site: Site) -> None:
    page = await site.open(script=NEVER_IDLE)
    await expect(heading(page, "Overview")).to_be_visible()
    palette = page.get_by_role("dialog", name="Command palette")

    for name in KEYS.values():
        await page.keyboard.press("Control+k")
        await expect(palette).to_be_visible()
        await page.keyboard.type(name.split()[0])
        await page.keyboard.press("Enter")
        await expect(heading(page, name)).to_be_visible()


async def test_the_search_is_focused_on_a_screen_that_is_loaded_for_it(site: Site) -> None:
    page = await site.open(script=NEVER_IDLE)
    await expect(heading(page, "Overview")).to_be_visible()

    await page.keyboard.press("/")
    await expect(page.locator("#search")).to_be_focused()
    await page.keyboard.type("word")

    await expect(page).to_have_url(re.compile("text=word"))


async def test_a_page_of_another_version_offers_to_be_loaded_again(site: Site) -> None:
    reloads: list[str] = []

    async def answer(route: Route) -> None:  # as a service of another version does
        await (route.continue_() if reloads else route.fulfill(status=404))

    site.expect(404, "/assets/.*")
    page = await site.open(script=NEVER_IDLE)
    await expect(heading(page, "Overview")).to_be_visible()
    await page.route("**/assets/**", answer)
    page.on("request", lambda each: each.is_navigation_request() and reloads.append(each.url))

    await page.get_by_role("link", name="Limits", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("Reload the page")
    await page.get_by_role("button", name="Try again").click()

    await expect(heading(page, "Limits")).to_be_visible()
    assert len(reloads) == 1
