"""What the page shows of the service itself: crashes, restarts, and who may do what."""

import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.system.services import Client, when
from tests.system.test_tokens import new

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


async def sign_in(page: Page, token: str) -> None:
    await page.get_by_label("Token").fill(token)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_a_consumer_that_is_killed_comes_back(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    calls = Client(http, site.service)
    task_id = await calls.post("hold", until=str(gate))
    started = await site.service.wait_for("attempt_started", task_id=task_id)
    name = started["consumer"]
    page = await site.open()

    await page.get_by_role("link", name=name, exact=True).click()
    await page.get_by_role("button", name="Let it crash").click()
    await page.get_by_role("button", name="Kill it").click()

    proof = page.get_by_label("Proof")
    await expect(proof).to_contain_text("Life 2 runs since")
    await expect(proof).to_contain_text("killed")
    await expect(proof).to_contain_text("attempt 1 crashed")
    gate.touch()
    await when([task_id], site.service, "task_completed")
    await expect(proof).to_contain_text("the task is completed")
    await page.reload()
    life = page.get_by_role("region", name="Earlier lives").locator("tr[data-life='1']")
    await expect(life).to_contain_text("killed")
    await page.goto(f"{site.url}/#/tasks/{task_id}")
    await expect(page.get_by_label("Attempts")).to_contain_text("crashed")
    await expect(page.locator(".title .status")).to_have_text("completed")
    await page.goto(f"{site.url}/#/events")
    await expect(page.get_by_role("region", name="Live")).to_contain_text(f"consumers/{name}")
    await expect(page.get_by_label("Changes")).to_contain_text(f"root/consumers/{name}")


async def test_the_consumers_of_a_queue_are_changed_and_come_back_as_configured(
    site: Site,
) -> None:
    page = await site.open("#/queues")
    row = page.locator('tr[data-queue="mail"]')
    dialog = page.get_by_role("dialog")

    await row.get_by_role("button", name="Consumers of mail").click()
    await page.get_by_label("Consumers", exact=True).fill("3")
    await page.get_by_label("Slots of each").fill("2")
    await page.get_by_role("button", name="Save").click()

    await expect(dialog).to_be_hidden()
    await expect(row).to_contain_text("3")
    await row.get_by_role("button", name="Consumers of mail").click()
    await expect(page.get_by_label("Slots of each")).to_have_value("2")
    await page.get_by_role("button", name="As configured").click()
    await expect(dialog).to_be_hidden()
    await row.get_by_role("button", name="Consumers of mail").click()
    await expect(page.get_by_label("Consumers", exact=True)).to_have_value("1")


async def test_the_flows_of_a_queue_are_listed_with_the_next_one_first(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    page = await site.open("#/queues")
    await page.get_by_role("button", name="Pause reports").click()
    await expect(page.get_by_role("button", name="Resume reports")).to_be_visible()
    for tenant in ("zenith", "zenith", "zenith", "acme"):
        await calls.post("report", tenant=tenant)

    flows = page.get_by_label("Flows of reports").locator("tbody tr")

    await expect(flows).to_have_text(["tenant=acme010.5", "tenant=zenith030.5"])


async def test_the_page_reconnects_to_a_service_that_was_started_again(
    site: Site, http: aiohttp.ClientSession
) -> None:
    page = await site.open("#/tasks")
    before = await Client(http, site.service).post("resize", url="before.png")
    await expect(page.locator(f'tr[data-id="{before}"] .status')).to_have_text("completed")

    site.expect_outage()
    site.service.kill()
    await site.service.wait()
    await expect(page.get_by_text("Reconnecting")).to_be_visible()
    await expect(page.locator(f'tr[data-id="{before}"]')).to_be_visible()
    await site.start()

    await expect(page.locator(".link")).to_have_text("Live")
    after = await Client(http, site.service).post("resize", url="after.png")
    await expect(page.locator(f'tr[data-id="{after}"] .status')).to_have_text("completed")


async def test_a_handler_that_blocks_its_consumer_is_seen_with_its_line(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    page = await site.open()
    attention = page.get_by_role("region", name="Needs attention")
    await expect(attention).to_contain_text("Nothing.")

    task_id = await Client(http, site.service).post("block", until=str(gate))
    blocked = await site.service.wait_for("consumer_blocked")
    name = blocked["consumer"]

    await expect(attention).to_contain_text(f"A handler blocks {name}")
    await expect(attention).to_contain_text(re.compile(r"tests/browser/app.py:\d+, in block"))
    row = page.locator(f'tr[data-path="root/consumers/{name}"]')
    await expect(row).to_contain_text("blocked for")
    await page.goto(f"{site.url}/#/actors/root/consumers/{name}")
    await expect(page.get_by_text("A handler blocks its loop")).to_be_visible()
    gate.touch()
    await when([task_id], site.service, "task_completed")
    await expect(page.get_by_text("A handler blocks its loop")).to_have_count(0)
    await expect(page.get_by_role("region", name="Events")).to_have_count(1)
    await page.goto(f"{site.url}/#/events")
    live = page.get_by_role("region", name="Live")
    await expect(live).to_contain_text("consumer blocked")
    await expect(live).to_contain_text("consumer unblocked")


async def test_what_was_done_before_the_page_was_opened_is_shown(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    tasks = [await calls.post("resize", url="a.png") for _ in range(3)]
    await when(tasks, site.service, "task_completed")
    await calls.kill("root/consumers/consumer-1")
    await site.service.wait_for("child_restarted", child_id="consumer-1")

    page = await site.open()

    legend = page.get_by_role("region", name="Attempts a minute").locator(".legend")
    await expect(legend).to_contain_text("restarts1")
    await page.goto(f"{site.url}/#/events")
    live = page.get_by_role("region", name="Live")
    await expect(live).to_contain_text("consumers/consumer-1")
    await expect(live).to_contain_text("killed")
    await page.reload()
    await expect(live).to_contain_text("child restarted")


async def test_older_changes_are_listed_below_the_latest(
    site: Site, http: aiohttp.ClientSession
) -> None:
    for verb in ["pause", "resume"] * 35:
        async with http.post(f"{site.url}/queues/mail/{verb}", json={}) as response:
            assert response.status == 200
    page = await site.open("#/events")
    rows = page.get_by_role("region", name="Changes").locator("tbody tr")
    await expect(rows).to_have_count(50)

    await page.get_by_role("button", name="Load more").click()

    await expect(rows).to_have_count(70)
    for verb in ["pause", "resume"] * 5:  # they move what was on the first page below it
        async with http.post(f"{site.url}/queues/mail/{verb}", json={}) as response:
            assert response.status == 200
    await expect(rows).to_have_count(80)


async def test_an_administrator_signs_in_and_out(site: Site, tmp_path: Path) -> None:
    token = await new(tmp_path, "admin", "ana")
    page = await site.open_signed_out()

    await page.get_by_label("Token").fill("tq_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("does not exist")
    await sign_in(page, token)
    await expect(page.get_by_role("button", name="New task")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()

    assert token not in await page.content()
    assert await page.evaluate("document.cookie + JSON.stringify({...localStorage})") in {
        "{}",
        '{"taskqueue.theme":"auto"}',
    }
    await page.get_by_role("button", name=re.compile("Sign out ana")).click()
    await expect(page.get_by_label("Token")).to_be_visible()


async def test_a_reader_sees_everything_and_no_button_that_would_be_refused(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    calls = Client(http, site.service)
    dead = await calls.post("mail", to="nobody")
    await when([dead], site.service, "task_dead_lettered")
    token = await new(tmp_path, "read", "rita")
    page = await site.open_signed_out()
    await sign_in(page, token)

    for place, shows in [
        ("#/tasks", "mail"),
        (f"#/tasks/{dead}", "is not an address"),
        ("#/queues", "default"),
        ("#/dead", "is not an address"),
        ("#/actors/root/database", "Neighbours"),
        ("#/events", "Live"),
    ]:
        await page.goto(f"{site.url}/{place}")
        await expect(page.locator("main")).to_contain_text(shows)
        names = await page.locator("main button:visible").all_inner_texts()
        changing = re.compile("Redrive|Delete|Cancel|Pause|Resume|Clone|Edit|crash|Apply|Run now")
        assert [name for name in names if changing.search(name)] == []
    assert await page.get_by_role("button", name="New task").count() == 0


async def test_the_settings_are_listed_with_what_has_given_them(site: Site) -> None:
    page = await site.open()

    await page.get_by_role("link", name="Settings").click()
    table = page.get_by_role("table", name="Settings")
    port = table.locator("[data-setting=port]")

    await expect(port).to_contain_text(f"{site.service.url.rpartition(':')[2]}")
    await expect(port).to_contain_text("flag --port")
    await expect(table.locator("[data-setting=drain_s]")).to_contain_text("30s")
    await page.get_by_label("Hide defaults").check()
    await expect(table.locator("[data-setting=drain_s]")).to_have_count(0)
    await expect(port).to_be_visible()


async def test_the_settings_are_for_administrators(site: Site, tmp_path: Path) -> None:
    token = await new(tmp_path, "enqueue", "ed")
    page = await site.open_signed_out("#/settings")

    await sign_in(page, token)

    await expect(page.get_by_role("link", name="Settings")).to_have_count(0)
