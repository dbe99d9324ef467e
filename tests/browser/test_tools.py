"""The tools of the page: palette, keys, filters, counts, copying, theme, and long changes."""

import asyncio
import json
import re

import aiohttp
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.site import Site
from tests.browser.test_work import client, dialog_says_yes, row
from tests.system.services import when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

LATER = {"delay_s": 3600}


def chip(page: Page, status: str):
    return page.get_by_role("group", name="Status").get_by_role("button", name=status)


async def test_the_palette_goes_to_a_screen_and_to_a_task(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await client(http, site).post("resize", options=LATER)
    page = await site.open()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    palette = page.get_by_role("dialog", name="Command palette")

    await page.keyboard.press("Control+k")
    await expect(palette).to_be_visible()
    await page.keyboard.type("e")
    await expect(palette.get_by_role("option", selected=True)).to_have_text(re.compile("Overview"))
    await page.keyboard.type("ven")
    await expect(palette.get_by_role("option").first).to_have_text(re.compile("Events"))
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Events")).to_be_visible()
    await page.keyboard.press("Control+k")
    await expect(palette).to_be_visible()
    await page.keyboard.type(task_id)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="resize")).to_be_visible()
    await expect(palette).to_have_count(0)


async def test_r_redrives_the_dead_that_are_selected(
    site: Site, http: aiohttp.ClientSession, tmp_path_factory: pytest.TempPathFactory
) -> None:
    allowed = tmp_path_factory.mktemp("gate") / "allowed"
    calls = client(http, site)
    first, second = [await calls.post("charge", order=n, allowed=str(allowed)) for n in range(2)]
    await when([first, second], site.service, "task_dead_lettered")
    page = await site.open("#/tasks?status=dead")
    await expect(row(page, second)).to_be_visible()

    allowed.touch()
    for key in ("j", "x", "r"):
        await page.keyboard.press(key)
    await dialog_says_yes(page, "Redrive 1")

    await when([second], site.service, "task_completed")
    assert (await calls.show(first))["status"] == "dead"


async def test_a_task_is_deleted_and_the_list_is_shown(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = client(http, site)
    done = await calls.post("resize")
    await when([done], site.service, "task_completed")
    page = await site.open(f"#/tasks/{done}")
    site.expect(404, f"/tasks/{done}(/logs)?")  # what was being asked when it went

    await page.get_by_role("button", name="Delete").click()
    await dialog_says_yes(page, "Delete 1")

    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    await expect(page.get_by_text("1 task deleted")).to_be_visible()
    assert (await calls.get(f"/tasks/{done}")).status == 404


async def test_an_id_is_copied(site: Site, http: aiohttp.ClientSession) -> None:
    task_id = await client(http, site).post("resize", options=LATER)
    page = await site.open(f"#/tasks/{task_id}", permissions=["clipboard-read", "clipboard-write"])

    await page.get_by_role("button", name="Copy the id").click()

    await expect(page.get_by_role("button", name="Copy the id")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == task_id
    await page.get_by_role("button", name="Copy data").click()
    await expect(page.get_by_role("button", name="Copy data")).to_have_text("Copied")
    assert await page.evaluate("navigator.clipboard.readText()") == "{}"


async def test_the_theme_is_chosen_and_kept(site: Site) -> None:
    page = await site.open(color_scheme="light")
    back = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(back)

    await page.get_by_role("button", name="Theme: auto").click()
    await page.get_by_role("button", name="Theme: light").click()
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    dark = await page.evaluate(back)
    await page.reload()

    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert await page.evaluate(back) == dark != light


async def test_the_first_paint_has_the_chosen_theme(site: Site) -> None:
    page = await site.open(color_scheme="light")
    await page.get_by_role("button", name="Theme: auto").click()
    await page.get_by_role("button", name="Theme: light").click()
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()

    async with page.expect_request("**/app/main.js"):
        await page.route("**/app/main.js", lambda _: None)  # which is never answered
        await page.reload(wait_until="commit")

    await expect(page.locator("main .loading")).to_be_visible()
    await expect(page.locator("html")).to_have_css("color-scheme", "dark")


async def test_the_chips_count_beside_any_filter(site: Site, http: aiohttp.ClientSession) -> None:
    calls = client(http, site)
    done = await calls.post("resize", options={"group": "import-17"})
    await calls.post("resize", options={**LATER, "group": "import-17"})
    await calls.post("mail", to="a@example.com", options=LATER)
    await when([done], site.service, "task_completed")
    page = await site.open("#/tasks")

    await expect(chip(page, "scheduled")).to_have_text("scheduled 2")
    await page.get_by_label("Queue").select_option("mail")
    await expect(chip(page, "scheduled")).to_have_text("scheduled 1")
    await expect(chip(page, "completed")).to_have_text("completed 0")
    for place in ("action=resize", "group=import-17", "text=nothing"):
        await page.goto(f"{site.url}/#/tasks?{place}")
        some = "0" if place.startswith("text") else "1"
        await expect(chip(page, "scheduled")).to_have_text(f"scheduled {some}")
        await expect(chip(page, "completed")).to_have_text(f"completed {some}")


async def test_a_count_that_was_stopped_says_more_than(
    site: Site, http: aiohttp.ClientSession
) -> None:
    tasks = [{"action": "resize", **LATER} for _ in range(1_001)]
    async with http.post(f"{site.url}/tasks", json=tasks) as response:
        assert response.status == 202

    page = await site.open("#/tasks?since=1h")

    await expect(chip(page, "scheduled")).to_have_text("scheduled more than 1,000")
    await expect(chip(page, "dead")).to_have_text("dead 0")


async def test_a_span_from_one_instant_to_another_is_in_the_address(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await client(http, site).post("resize", options=LATER)
    page = await site.open("#/tasks")
    await expect(row(page, task_id)).to_be_visible()

    await page.get_by_label("Created", exact=True).select_option("range")
    await page.get_by_label("Created from").fill("2020-01-01T00:00")
    await page.get_by_label("Created before").fill("2020-01-02T00:00")
    await page.get_by_label("Created before").blur()
    await expect(page.get_by_text("No task matches")).to_be_visible()
    await expect(page).to_have_url(re.compile("from=2020-01-01"))
    await page.reload()
    await page.get_by_label("Created before").fill("")
    await page.get_by_label("Created before").blur()

    await expect(row(page, task_id)).to_be_visible()
    await expect(page.get_by_label("Created from")).to_have_value("2020-01-01T00:00")


async def test_the_actions_are_offered(site: Site) -> None:
    page = await site.open("#/tasks")

    await expect(page.locator("#filter-action-list option")).not_to_have_count(0)

    names = await page.locator("#filter-action-list option").evaluate_all(
        "(options) => options.map((each) => each.value)"
    )
    assert {"resize", "charge", "mail"} <= set(names)


class Bulk:
    """Answers the calls that change all that match, each when it is let go.

    `parts` are how many tasks matched, and whether that was the last part.
    """

    def __init__(self, *parts: tuple[int, bool]) -> None:
        self._left = list(parts)
        self.let_go = asyncio.Semaphore(0)
        self.verbs: list[str] = []

    async def answer(self, route: Route) -> None:
        self.verbs.append(route.request.url)
        await self.let_go.acquire()
        matched, is_last = self._left.pop(0)
        following = None if is_last else "0197a4c8-0000-7000-8000-000000000000"
        done = 0 if "dry_run" in route.request.url else matched
        await route.fulfill(
            status=200,
            content_type="application/json",
            body=json.dumps({"matched": matched, "done": done, "next": following}),
        )


async def ask_for_all(page: Page) -> None:
    """Ask to cancel all that match."""
    await page.get_by_label("Select all that are shown").check()
    await page.get_by_role("button", name="Select all that match").click()
    await page.get_by_role("button", name="Cancel", exact=True).click()


async def many_scheduled(site: Site, http: aiohttp.ClientSession) -> Page:
    """Open the list of more tasks than one page has."""
    tasks = [{"action": "resize", **LATER} for _ in range(60)]
    async with http.post(f"{site.url}/tasks", json=tasks) as response:
        assert response.status == 202
    page = await site.open("#/tasks?status=scheduled")
    await expect(page.locator("tr[data-id]")).to_have_count(50)
    return page


async def test_more_than_half_a_million_are_not_counted(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await many_scheduled(site, http)
    bulk = Bulk(*[(250_000, False)] * 3)
    await page.route("**/tasks/cancel?*", bulk.answer)

    await ask_for_all(page)
    await expect(page.get_by_role("heading", name="Counting: 0")).to_be_visible()
    bulk.let_go.release()
    await expect(page.get_by_role("heading", name="Counting: 250,000")).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel all")).to_be_disabled()
    bulk.let_go.release()

    question = page.get_by_role("heading", name="Cancel more than 500,000 tasks?")
    await expect(question).to_be_visible()
    await expect(page.get_by_role("button", name="Cancel all")).to_be_enabled()
    assert len(bulk.verbs) == 2
    assert all("dry_run=true" in verb for verb in bulk.verbs)


async def test_a_long_change_shows_how_far_it_is_and_can_be_stopped(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await many_scheduled(site, http)
    bulk = Bulk((1_200, True), (500, False), (500, False), (200, True))
    await page.route("**/tasks/cancel?*", bulk.answer)
    bulk.let_go.release()
    await ask_for_all(page)
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("heading")).to_have_text("Cancel 1,200 tasks?")

    await dialog_says_yes(page, "Cancel all")
    await expect(dialog.get_by_role("progressbar")).to_have_attribute("max", "1200")
    bulk.let_go.release()
    await expect(dialog).to_contain_text("500 looked at")
    await dialog.get_by_role("button", name="Stop").click()
    bulk.let_go.release()

    await expect(page.get_by_text("1,000 tasks cancelled; stopped before the end")).to_be_visible()
    assert len(bulk.verbs) == 3
