"""Schedules on the page: seen, paused, resumed and run."""

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.site import Site

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_schedule_is_paused_and_resumed_in_the_list(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await site.open("#/schedules")
    row = page.locator('tr[data-schedule="nightly"]')
    await expect(row).to_contain_text("At 03:00 every day (Europe/Berlin)")

    await row.get_by_role("button", name="Pause nightly").click()
    await page.get_by_label("Reason").fill("out of paper")
    await page.get_by_role("dialog").get_by_role("button", name="Pause", exact=True).click()
    await expect(row.locator(".status").first).to_have_text("paused")
    async with http.get(f"{site.url}/schedules/nightly") as answer:
        paused = await answer.json()
    await row.get_by_role("button", name="Resume nightly").click()

    await expect(row.locator(".status").first).to_have_text("active")
    assert (paused["paused"], paused["paused_because"]) == (True, "out of paper")


async def test_a_schedule_is_shown_with_its_slots_and_run(site: Site) -> None:
    page = await site.open("#/schedules/nightly")
    upcoming = page.get_by_role("region", name="Next slots").locator("li")
    await expect(upcoming).to_have_count(5)
    await expect(upcoming.first).to_contain_text("03:00:00 Europe/Berlin")

    await page.get_by_role("button", name="Run nightly now").click()

    slot = page.locator("tr[data-slot]")
    await expect(slot).to_contain_text("run by hand")
    await expect(slot).to_contain_text("completed")
    await slot.get_by_role("link").click()
    await expect(page.get_by_role("region", name="Result")).to_contain_text(".png?width=400")
    facts = page.get_by_role("region", name="Facts")
    await facts.get_by_role("link", name="nightly").click()
    await expect(page.get_by_role("region", name="Next slots")).to_be_visible()


async def test_why_a_schedule_is_paused_is_said(site: Site, http: aiohttp.ClientSession) -> None:
    reason = {"reason": "the printer is broken"}
    async with http.post(f"{site.url}/schedules/nightly/pause", json=reason) as answer:
        assert answer.status == 200

    page = await site.open("#/schedules/nightly")

    await expect(page.locator(".why")).to_contain_text("the printer is broken")
    await expect(page.get_by_role("region", name="Next slots")).to_contain_text("None")


async def test_a_schedule_is_created_edited_and_deleted(
    site: Site, http: aiohttp.ClientSession
) -> None:
    site.expect(422, "/schedules")  # "nonsense" is no expression
    site.expect(404, "/schedules/hourly")  # what was being asked when it went
    page = await site.open("#/schedules")
    dialog = page.get_by_role("dialog")

    await page.get_by_role("button", name="New schedule").click()
    await dialog.get_by_label("Action").fill("resize")
    await dialog.get_by_label("Name").fill("hourly")
    await dialog.get_by_label("Expression").fill("nonsense")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("alert")).to_contain_text("cron")
    await dialog.get_by_label("Expression").fill("@hourly")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="hourly")).to_be_visible()
    await expect(page.locator(".title")).to_contain_text("At the start of every hour (UTC)")

    await page.get_by_role("button", name="Edit hourly").click()
    await dialog.get_by_label("When").select_option("every_s")
    await dialog.get_by_label("Every so many seconds").fill("600")
    await dialog.get_by_label("Data, as JSON").fill('{"width": 7}')
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.locator(".title")).to_contain_text("Every 10 minutes")
    async with http.get(f"{site.url}/schedules/hourly") as answer:
        changed = await answer.json()

    await page.get_by_role("button", name="Delete hourly").click()
    await dialog.get_by_role("button", name="Delete", exact=True).click()
    await expect(page.locator('tr[data-schedule="nightly"]')).to_be_visible()
    await expect(page.locator('tr[data-schedule="hourly"]')).to_have_count(0)
    assert (changed["every_s"], changed["cron"], changed["data"]) == (600, None, {"width": 7})


async def test_what_code_declares_is_not_edited_here(site: Site) -> None:
    page = await site.open("#/schedules/nightly")

    await expect(page.get_by_role("button", name="Pause nightly")).to_be_visible()
    await expect(page.get_by_role("button", name="Edit nightly")).to_have_count(0)
