"""What people do on the page: enqueue, watch, redrive, pause, cancel."""

import re
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.system.services import Client, until, when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


def client(http: aiohttp.ClientSession, site: Site) -> Client:
    return Client(http, site.service)


def row(page: Page, task_id: str):
    return page.locator(f'tr[data-id="{task_id}"]')


async def dialog_says_yes(page: Page, name: str) -> None:
    await page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


async def test_a_task_is_enqueued_and_seen_to_complete(site: Site) -> None:
    page = await site.open("#/tasks")

    await page.get_by_role("button", name="New task").click()
    await page.get_by_label("Action", exact=True).last.fill("resize")
    await page.get_by_label("Data, as JSON").fill('{"url": "b.png", "width": 200}')
    await page.get_by_role("button", name="Enqueue").click()
    await page.get_by_role("link", name="Open", exact=True).click()

    await expect(page.get_by_role("heading", name="resize")).to_be_visible()
    await expect(page.locator(".title .status")).to_have_text("completed")
    await expect(page.get_by_role("region", name="Result")).to_contain_text('"b.png?width=200"')


async def test_a_task_that_does_not_fit_is_refused_with_its_faults(site: Site) -> None:
    site.expect(422, "/tasks")
    page = await site.open("#/tasks")
    await expect(page.get_by_role("heading", name="Tasks")).to_be_visible()

    await page.keyboard.press("n")
    await page.get_by_label("Action", exact=True).last.fill("resize")
    await page.get_by_label("Data, as JSON").fill('{"width": "wide"}')
    await page.get_by_role("button", name="Enqueue").click()

    await expect(page.get_by_role("alert")).to_contain_text("data.width")


async def test_what_an_attempt_has_logged_is_shown_as_text(
    site: Site, http: aiohttp.ClientSession
) -> None:
    task_id = await client(http, site).post("charge", order=7)
    page = await site.open(f"#/tasks/{task_id}")

    await page.get_by_text("Log, 1 line").click()

    log = page.locator(".timeline details pre").last
    await expect(log).to_contain_text("info     charges order=7 by='<img src=x>'")


async def test_the_stack_of_a_running_handler_is_shown_when_it_is_opened(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    task_id = await client(http, site).post("hold", until=str(gate))
    await site.service.wait_for("attempt_started", task_id=task_id)
    page = await site.open()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"{site.url}/#/tasks/{task_id}")
    await expect(page.get_by_text("Right now:")).to_be_visible()
    asked_before = [url for url in asked if url.endswith("/stack")]

    site.expect(409, f"/tasks/{task_id}/stack")  # it may be asked for when the handler has ended

    await page.get_by_text("Stack of the handler").click()

    stack = page.get_by_label("Stack", exact=True)
    await expect(stack).to_contain_text(re.compile('File "tests/browser/app.py", line .*, in hold'))
    await expect(page.get_by_role("button", name="Copy the stack")).to_be_visible()
    assert asked_before == []
    gate.touch()
    await expect(stack).to_have_count(0)


async def test_the_log_of_a_running_attempt_is_shown_and_stays_when_it_ends(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    task_id = await client(http, site).post("hold", until=str(gate))
    await site.service.wait_for("attempt_started", task_id=task_id)
    page = await site.open(f"#/tasks/{task_id}")

    await page.get_by_text("Log, 1 line").click()

    log = page.locator(".timeline details pre")
    await expect(log).to_contain_text("info     holds")
    gate.touch()
    await expect(page.locator(".title .status")).to_have_text("completed")
    await expect(page.get_by_text("Log, 1 line")).to_have_count(1)


async def test_older_logs_are_loaded_on_demand(site: Site, http: aiohttp.ClientSession) -> None:
    task_id = await client(http, site).post("chatter")
    await when([task_id], site.service, "task_completed")
    page = await site.open(f"#/tasks/{task_id}")
    logs = page.get_by_text("Log, 20 lines")
    more = page.get_by_role("button", name="Load more logs")
    await expect(more).to_be_visible()
    shown = await logs.count()

    await more.click()

    await expect(more).to_have_count(0)
    await expect(logs).to_have_count(30)
    assert 0 < shown < 30


async def test_a_task_leads_to_its_parent_its_children_and_its_trace(
    site: Site, http: aiohttp.ClientSession
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    header = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    body = {"action": "order"}
    async with http.post(f"{site.url}/tasks", json=body, headers=header) as answer:
        parent = (await answer.json())["id"]
    await when([parent], site.service, "task_completed")
    page = await site.open(f"#/tasks/{parent}")

    children = page.get_by_role("region", name="Children")
    await children.get_by_role("link", name=re.compile("resize")).click()
    await expect(page.get_by_role("heading", name="resize")).to_be_visible()
    facts = page.get_by_role("region", name="Facts")
    await facts.get_by_role("link", name=f"…{parent[-8:]}").click()
    await expect(page.get_by_role("heading", name="order")).to_be_visible()
    await facts.get_by_role("link", name=trace).click()

    await expect(page.locator("tr[data-id]")).to_have_count(2)
    await expect(page.get_by_text("Of the trace")).to_be_visible()
    await page.goto(f"{site.url}/#/tasks?parent={parent}")
    await expect(page.locator("tr[data-id]")).to_have_count(1)
    await page.get_by_role("link", name="show others too").click()
    await expect(page.locator("tr[data-id]")).to_have_count(2)


async def test_a_group_of_dead_letters_is_redriven(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    calls = client(http, site)
    charges = [await calls.post("charge", order=i, allowed=str(allowed)) for i in range(12)]
    mails = [await calls.post("mail", to=f"nobody-{i}") for i in range(3)]
    await when([*charges, *mails], site.service, "task_dead_lettered")
    page = await site.open("#/dead")
    groups = page.locator(".groups > li")
    await expect(groups).to_have_count(2)
    await expect(groups.first).to_contain_text("payment gateway answered 502")
    await expect(groups.first.locator(".size")).to_have_text("12")

    allowed.touch()
    await groups.first.get_by_role("button", name="Redrive").click()
    await dialog_says_yes(page, "Redrive 12")

    await expect(groups).to_have_count(1)
    await expect(groups.first).to_contain_text("is not an address")
    await when(charges, site.service, "task_completed")


async def test_a_group_shows_its_progress_and_its_dead_are_redriven(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    allowed = tmp_path / "allowed"
    calls = client(http, site)
    options = {"group": "import-17"}
    done = await calls.post("resize", url="a.png", options=options)
    dead = await calls.post("charge", order=1, allowed=str(allowed), options=options)
    await when([done], site.service, "task_completed")
    await when([dead], site.service, "task_dead_lettered")
    await calls.post("resize", url="b.png", options={**options, "delay_s": 3600})
    page = await site.open("#/groups")
    group = page.locator('tr[data-group="import-17"]')
    await expect(group.locator(".progress")).to_contain_text("66 %")
    await expect(group.locator(".status")).to_have_text("open")

    allowed.touch()
    await group.get_by_role("button", name="Redrive import-17").click()
    await dialog_says_yes(page, "Redrive all")
    await when([dead], site.service, "task_completed")
    await group.get_by_role("button", name="Cancel import-17").click()
    await dialog_says_yes(page, "Cancel all")

    await expect(group.locator(".progress")).to_contain_text("100 %")
    await group.get_by_role("link", name="3 tasks in import-17").click()
    await expect(page.locator("tr[data-id]")).to_have_count(3)


async def test_a_group_is_closed_with_what_follows_it(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = client(http, site)
    done = await calls.post("resize", url="a.png", options={"group": "import-18"})
    await when([done], site.service, "task_completed")
    site.expect(422, "/groups/import-18/close")  # a width that is no number
    page = await site.open("#/groups")
    group = page.locator('tr[data-group="import-18"]')

    await group.get_by_role("button", name="Close import-18").click()
    await page.get_by_label("Then run this action").fill("resize")
    await page.get_by_label("Its data, as JSON").fill('{"width": "wide"}')
    await dialog_says_yes(page, "Close")
    await expect(page.get_by_role("alert")).to_contain_text("then.data.width")
    await page.get_by_label("Its data, as JSON").fill('{"width": 7}')
    await dialog_says_yes(page, "Close")

    await expect(group.locator(".status")).to_have_text("ended")
    await expect(group.get_by_role("button")).to_have_count(0)
    await group.get_by_role("link", name="resize", exact=True).click()
    await expect(page.get_by_role("region", name="Result")).to_contain_text("a.png?width=7")


async def test_a_task_gets_the_options_of_the_form(site: Site, http: aiohttp.ClientSession) -> None:
    page = await site.open("#/tasks")
    given = {
        "Attempts at most": "3",
        "Delay in seconds": "3600",
        "Expires in seconds": "7200",
        "Or the fields that make it": "url, width",
    }

    await page.get_by_role("button", name="New task").click()
    await page.get_by_label("Action", exact=True).last.fill("resize")
    await page.get_by_label("Data, as JSON").fill('{"url": "form.png", "width": 200}')
    for label, text in given.items():
        await page.get_by_label(label).fill(text)
    await page.get_by_label("The key is held until").select_option("started")
    await page.get_by_label("If a task holds the key").select_option("postpone")
    await page.get_by_label("Postponed by seconds, at most").fill("9000")
    await page.get_by_role("button", name="Enqueue").click()

    found = await until(
        lambda: client(http, site).get("/tasks?text=form.png"),
        lambda answer: answer.body["count"] == 1,
    )
    [task] = found.body["tasks"]
    shown = await client(http, site).show(task["id"])
    assert (shown["max_attempts"], shown["unique_key"] is not None) == (3, True)
    assert shown["expires_at"] == pytest.approx(shown["created_at"] + 7200, abs=1)


async def test_a_queue_is_paused_and_resumed(site: Site, http: aiohttp.ClientSession) -> None:
    page = await site.open("#/queues")
    mail = page.locator('tr[data-queue="mail"]')

    await mail.get_by_role("button", name="Pause mail").click()
    await expect(mail.locator(".status")).to_have_text("paused")
    task_id = await client(http, site).post("mail", to="a@example.com")
    await page.goto(f"{site.url}/#/tasks/{task_id}")
    await expect(page.get_by_text("queue 'mail' is paused")).to_be_visible()
    await page.goto(f"{site.url}/#/queues")
    await mail.get_by_role("button", name="Resume mail").click()

    await expect(mail.locator(".status")).to_have_text("open")
    await when([task_id], site.service, "task_completed")


async def test_all_that_match_are_cancelled_and_no_other(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = client(http, site)
    later = {"delay_s": 3600}
    tasks = [{"action": "resize", "data": {"url": f"{i}.png"}, **later} for i in range(1200)]
    async with http.post(f"{site.url}/tasks", json=tasks) as response:
        assert response.status == 202
    other = await calls.post("mail", to="a@example.com", options=later)
    page = await site.open("#/tasks?status=scheduled&action=resize")

    await page.get_by_label("Select all that are shown").check()
    await page.get_by_role("button", name="Select all that match").click()
    await page.get_by_role("button", name="Cancel", exact=True).click()
    await expect(page.get_by_role("heading", name="Cancel 1,200 tasks?")).to_be_visible()
    await dialog_says_yes(page, "Cancel all")

    await expect(page.get_by_text("1,200 tasks cancelled")).to_be_visible()
    await expect(page.get_by_text("No task matches")).to_be_visible()
    stats = (await calls.get("/stats")).body["tasks"]
    assert (stats["cancelled"], stats["scheduled"]) == (1200, 1)
    assert (await calls.show(other))["status"] == "scheduled"


async def test_the_filter_is_in_the_address_and_survives_a_reload(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = client(http, site)
    sent = await calls.post("mail", to="a@example.com")
    resized = await calls.post("resize", url="a.png")
    await when([sent, resized], site.service, "task_completed")
    page = await site.open("#/tasks")
    await expect(row(page, resized)).to_be_visible()

    await page.keyboard.press("/")
    await page.keyboard.type("example.com")
    await page.get_by_label("Queue").select_option("mail")
    await page.get_by_role("button", name=re.compile("completed")).click()
    await expect(row(page, resized)).to_have_count(0)
    for part in ("status=completed", "text=example.com", "queue=mail"):
        await expect(page).to_have_url(re.compile(re.escape(part)))
    await page.reload()

    await expect(row(page, sent)).to_be_visible()
    await expect(row(page, resized)).to_have_count(0)
    await expect(page.get_by_label("Search in payloads")).to_have_value("example.com")
    await expect(page.get_by_label("Queue")).to_have_value("mail")


async def test_what_is_typed_while_the_page_begins_to_search_is_kept(site: Site) -> None:
    page = await site.open("#/tasks")
    search = page.get_by_label("Search in payloads")
    await search.evaluate(
        """(field) => addEventListener("hashchange", () => {
            field.value = "as typed";
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }, { once: true })"""
    )

    await search.fill("as")

    await expect(page).to_have_url(re.compile("text=as(%20|\\+)typed"))
    await expect(search).to_have_value("as typed")


async def test_the_list_does_not_jump_under_the_pointer(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    calls = client(http, site)
    held = await calls.post("hold", until=str(gate))
    page = await site.open("#/tasks")
    await expect(row(page, held).locator(".status")).to_have_text("running")
    await row(page, held).hover()

    new = await calls.post("resize", url="a.png")
    await expect(page.get_by_role("button", name="Show 1 new task")).to_be_visible()
    gate.touch()

    await expect(row(page, held).locator(".status")).to_have_text("completed")
    await expect(row(page, new)).to_have_count(0)
    await page.get_by_role("button", name="Show 1 new task").click()
    await expect(row(page, new)).to_be_visible()


async def test_the_keyboard_selects_and_cancels(site: Site, http: aiohttp.ClientSession) -> None:
    calls = client(http, site)
    later = {"delay_s": 3600}
    first, second, third = [await calls.post("resize", options=later) for _ in range(3)]
    page = await site.open("#/tasks")
    await expect(row(page, first)).to_be_visible()

    for key in ("j", "x", "j", "j", "x", "c"):
        await page.keyboard.press(key)
    await dialog_says_yes(page, "Cancel 2")

    await expect(row(page, first).locator(".status")).to_have_text("cancelled")
    await expect(row(page, third).locator(".status")).to_have_text("cancelled")
    assert (await calls.show(second))["status"] == "scheduled"


async def test_a_task_is_edited_cloned_and_run_now(site: Site, http: aiohttp.ClientSession) -> None:
    calls = client(http, site)
    task_id = await calls.post("resize", url="a.png", options={"delay_s": 3600})
    page = await site.open(f"#/tasks/{task_id}")

    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Data, as JSON").fill('{"url": "edited.png"}')
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("region", name="Data")).to_contain_text("edited.png")
    await expect(page.get_by_role("region", name="Edits")).to_contain_text("local changed payload")
    await expect(page.get_by_role("region", name="Changes")).to_contain_text("local 127.0.0.1 edit")
    await page.get_by_role("button", name="Run now").click()
    await dialog_says_yes(page, "Run now 1")
    await expect(page.get_by_role("region", name="Result")).to_contain_text("edited.png?width=400")
    await page.get_by_role("button", name="Clone").click()
    await page.get_by_role("button", name="Enqueue").click()

    found = await until(
        lambda: calls.get("/tasks?text=edited.png"), lambda answer: answer.body["count"] == 2
    )
    assert {task["status"] for task in found.body["tasks"]} <= {"queued", "running", "completed"}
