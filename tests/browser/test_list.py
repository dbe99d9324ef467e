"""The list of tasks while it changes: what stays, and what comes after what."""

import asyncio
from itertools import pairwise

import aiohttp
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.site import Site

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

PAGE = 50
SCREENFUL = 16  # `MOST` of `app/gradual.js`
MARKED = "tr[data-id][data-marked]"


async def enqueue(http: aiohttp.ClientSession, site: Site, number: int) -> list[str]:
    """Enqueue tasks that run later; return their ids, oldest first."""
    tasks = [{"action": "resize", "delay_s": 3600} for _ in range(number)]
    async with http.post(f"{site.url}/tasks", json=tasks) as response:
        return [task["id"] for task in (await response.json())["tasks"]]


async def full_list(site: Site, http: aiohttp.ClientSession) -> Page:
    """Open a full list, whose rows are marked."""
    ids = await enqueue(http, site, PAGE)
    page = await site.open("#/tasks")
    await expect(page.locator(f'tr[data-id="{ids[0]}"]')).to_be_visible()
    await page.evaluate(
        """for (const row of document.querySelectorAll("tr[data-id]")) row.dataset.marked = "";"""
    )
    return page


async def test_new_tasks_get_the_rows_of_those_that_are_gone(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await full_list(site, http)
    rows = page.locator("tr[data-id]")

    added = await enqueue(http, site, 10)
    await expect(rows.first).to_have_attribute("data-id", added[-1])

    await expect(page.locator(MARKED)).to_have_count(PAGE)
    shown = await rows.evaluate_all("(rows) => rows.map((row) => row.dataset.id)")
    assert shown == sorted(shown, reverse=True)
    assert shown[:10] == added[::-1]


async def test_the_row_with_the_focus_is_not_given_to_another_task(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await full_list(site, http)
    rows = page.locator("tr[data-id]")
    await rows.last.locator("a").focus()

    added = await enqueue(http, site, 10)
    await expect(rows.first).to_have_attribute("data-id", added[-1])

    await expect(page.locator(MARKED)).to_have_count(PAGE - 1)
    await expect(page.locator("tr[data-id]:focus-within")).to_have_count(0)


async def test_after_a_change_of_the_filter_the_rows_stay_until_the_answer_is_there(
    site: Site, http: aiohttp.ClientSession
) -> None:
    await enqueue(http, site, 3)
    page = await site.open("#/tasks")
    section, rows = page.get_by_role("region", name="Tasks"), page.locator("tr[data-id]")
    await expect(rows).to_have_count(3)
    answers, counted = asyncio.Event(), []

    async def answer_later(route: Route) -> None:
        await answers.wait()
        await route.continue_()

    await page.route("**/tasks?action=*", answer_later)
    page.on("request", lambda request: "/stats?action" in request.url and counted.append(1))

    async with page.expect_request("**/tasks?action=*"):
        await page.get_by_label("Action", exact=True).fill("report")
    await expect(section).to_have_attribute("aria-busy", "true")
    await expect(page.locator("table.tasks")).to_have_css("opacity", "0.5")
    await expect(rows).to_have_count(3)
    too_early = [*counted]
    async with page.expect_request("**/stats?action=*"):
        answers.set()

    await expect(page.get_by_text("No task matches")).to_be_visible()
    await expect(section).to_have_attribute("aria-busy", "false")
    assert too_early == []


async def test_a_long_list_is_drawn_a_screenful_at_a_time(
    site: Site, http: aiohttp.ClientSession
) -> None:
    await enqueue(http, site, PAGE)
    page = await site.open()
    await expect(page.locator("tr[data-path]").first).to_be_visible()

    drawn = await page.evaluate(
        """async (all) => {
            const rows = () => document.querySelectorAll("tr[data-id]").length;
            const frame = () => new Promise(requestAnimationFrame);
            const counts = [0];
            location.hash = "#/tasks";
            for (; rows() < all; await frame()) counts.push(rows());
            return [...counts, rows()];
        }""",
        PAGE,
    )

    assert max(later - earlier for earlier, later in pairwise(drawn)) <= SCREENFUL
    assert drawn[-1] == PAGE


async def test_rows_are_drawn_from_the_top_and_no_task_twice(site: Site) -> None:
    page = await site.open()

    lists = await page.evaluate(
        """async () => {
            const main = document.querySelector("script[type=module]").src;
            const { nextRows } = await import(new URL("gradual.js", main).href);
            const id = (_, i) => ({ id: i });
            const made = (from, to) => Array.from({ length: to }, id).slice(from);
            const old = made(0, 50);
            const moved = [...made(100, 120), ...old.slice(0, 30)];
            const drawn = [[]];
            for (const wanted of [old, old, old, old, moved, moved, old.slice(0, 3)]) {
                drawn.push(nextRows(wanted, drawn.at(-1)));
            }
            return drawn.map((rows) => rows.map(({ id }) => id));
        }"""
    )

    new, old = [*range(100, 120)], [*range(50)]
    assert lists == [
        [],
        old[:16],
        old[:32],
        old[:48],
        old,
        new[:16] + old[:34],
        new + old[:30],
        old[:3],
    ]
