"""Limits on the page: what holds a task back, and a change that lets it in."""

from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.site import Site
from tests.system.services import Client, when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_task_says_which_limit_holds_it_back_and_a_change_lets_it_in(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    site.expect(422, "/limits/smtp")
    calls = Client(http, site.service)
    first, second = [
        await calls.post("letter", domain="a.example", until=str(gate)) for _ in range(2)
    ]
    await site.service.wait_for("attempt_started", task_id=first)
    page = await site.open(f"#/tasks/{second}")

    await expect(page.locator(".why")).to_contain_text(
        f"waits for a slot of `smtp:a.example` (1 of 1 running: {first}); next in line"
    )
    await page.get_by_role("link", name="smtp:a.example").click()
    key = page.locator('tr[data-key="a.example"]')
    await expect(key).to_have_text("a.example11now")
    await page.get_by_role("button", name="Change smtp").click()
    await page.get_by_label("At once").fill("2")
    await page.get_by_label("Starts").fill("0")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("dialog")).to_contain_text("must be a number above 0")
    await page.get_by_label("Starts").fill("")
    await page.get_by_role("button", name="Save").click()

    await site.service.wait_for("attempt_started", task_id=second)
    await expect(key).to_have_text("a.example20now")
    gate.touch()
    await when([first, second], site.service, "task_completed")
    await page.get_by_role("link", name="Limits", exact=True).first.click()
    row = page.locator('tr[data-limit="smtp"]')
    await expect(row).to_contain_text("2 at once changed")
    await page.get_by_role("button", name="Reset smtp").click()
    await expect(row).to_contain_text("1 at once")
    await expect(page.get_by_role("button", name="Reset smtp")).to_be_hidden()
    await page.goto(f"{site.url}/#/events")
    await expect(page.get_by_role("region", name="Live")).to_contain_text("limit changed")
