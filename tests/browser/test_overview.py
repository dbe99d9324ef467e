"""The overview: what needs attention, the queues, the tree with its restarts, and the tips."""

import re
from datetime import datetime
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.system.faults import locked
from tests.system.services import Client, until, when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

CONSUMER = "root/consumers/consumer-1"


def attention(page: Page):
    return page.get_by_role("region", name="Needs attention")


def part(page: Page, path: str):
    return page.locator(f'.tree tr[data-path="{path}"]')


async def test_a_healthy_service_needs_no_attention(site: Site) -> None:
    page = await site.open()

    await expect(attention(page)).to_contain_text("Nothing. Every part runs")


async def test_attention_is_asked_for_dead_tasks_by_error_and_for_paused_queues(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    dead = [await calls.post("charge", order=n) for n in range(3)]
    await when(dead, site.service, "task_dead_lettered")
    async with http.post(f"{site.url}/queues/mail/pause", json={}) as response:
        assert response.status == 200
    page = await site.open()

    await expect(attention(page)).to_contain_text("Queue mail is paused")
    await attention(page).get_by_role("link", name="charge: 3 dead").click()

    await expect(page.locator("tr[data-id]")).to_have_count(3)
    await expect(page).to_have_url(re.compile("error=.*answered"))
    await page.get_by_role("button", name=re.compile("error: ConnectionError")).click()
    await expect(page).not_to_have_url(re.compile("error="))


async def test_a_service_that_is_not_ready_comes_first(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    calls = Client(http, site.service)
    dead = await calls.post("mail", to="nobody")
    await when([dead], site.service, "task_dead_lettered")
    page = await site.open()
    await expect(attention(page)).to_contain_text("mail: 1 dead")
    site.expect(503, "/ready")

    with locked(site.service, tmp_path / "data/tasks.db"):
        await until(lambda: calls.try_to_post("resize"), lambda answer: answer.status == 503)
        first = attention(page).get_by_role("listitem").first
        await expect(first).to_contain_text("The service is not ready")
        await expect(first).to_contain_text("locked")
        await expect(page.get_by_role("alert")).to_contain_text("Not ready")

    await expect(page.get_by_role("alert")).to_have_count(0)
    await expect(attention(page)).not_to_contain_text("not ready")


async def test_a_queue_shows_what_waits_and_which_limit_holds_it_back(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    calls = Client(http, site.service)
    letters = [await calls.post("letter", domain="a.example", until=str(gate)) for _ in range(3)]
    await until(
        lambda: calls.get("/queues"), lambda answer: answer.body["queues"][0]["limits"] != []
    )
    page = await site.open()
    card = page.locator(".queue-card").first

    await expect(card).to_contain_text("2 waiting")
    await expect(card).to_contain_text("1 running")
    await expect(card).to_contain_text("2 wait for smtp (1 running)")
    await page.goto(f"{site.url}/#/queues")
    await expect(page.locator('tr[data-queue="default"]')).to_contain_text("2 wait for smtp")
    gate.touch()
    await when(letters, site.service, "task_completed")

    await expect(page.locator('tr[data-queue="default"]')).not_to_contain_text("smtp")
    rate = page.locator('tr[data-queue="default"] td[data-label="A minute"]')
    await expect(rate).to_have_text(re.compile("[1-9]"))


async def test_a_restart_flashes_and_takes_from_the_budget(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await site.open()
    await expect(part(page, CONSUMER)).to_be_visible()
    await page.evaluate(
        """() => {
            globalThis.flashed = [];
            new MutationObserver((changes) => {
                for (const { target } of changes)
                    if (target.classList.contains("flash")) flashed.push(target.dataset.path);
            }).observe(document.body, { subtree: true, attributeFilter: ["class"] });
        }"""
    )
    calls = Client(http, site.service)
    [consumers] = [
        each
        for each in (await calls.get("/supervision")).body["children"]
        if each["id"] == "consumers"
    ]
    most = consumers["max_restarts"]

    await calls.kill(CONSUMER)

    await until(lambda: page.evaluate("flashed"), lambda flashed: CONSUMER in flashed)
    await expect(part(page, "root/consumers")).to_contain_text(
        f"{most - 1} of {most} restarts left"
    )
    await expect(attention(page)).to_contain_text("Children of consumers were restarted")
    await expect(part(page, CONSUMER)).to_contain_text("incarnation 2")


async def test_what_hovering_tells_the_keyboard_can_read(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    done = await calls.post("resize", url="a.png")
    await when([done], site.service, "task_completed")
    await calls.kill(CONSUMER)
    page = await site.open()
    tip = page.get_by_role("tooltip")
    ended = part(page, CONSUMER).locator(".exit")
    await expect(ended).to_contain_text("killed")
    year = str(datetime.now().astimezone().year)

    await page.keyboard.press("Tab")
    await ended.focus()
    await expect(tip).to_contain_text("killed, ")
    await expect(tip).to_contain_text(year)
    await page.keyboard.press("Escape")
    await expect(tip).to_have_count(0)
    await page.goto(f"{site.url}/#/tasks")
    await page.locator(f'tr[data-id="{done}"] a').focus()

    await expect(tip).to_contain_text(year)
    await page.locator(f'tr[data-id="{done}"] time').hover()
    await expect(tip).to_contain_text(year)
    await page.mouse.move(0, 0)
    await expect(tip).to_have_count(0)
