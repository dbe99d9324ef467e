"""What an open page asks for: no more than it shows, and not what cannot have changed."""

import asyncio

import aiohttp
import pytest
from playwright.async_api import Route, expect

from tests.browser.site import Site
from tests.system.services import Client, when

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]


async def test_a_task_that_has_ended_is_not_asked_for_again_until_an_event_names_it(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    dead = await calls.post("mail", to="nobody")
    await when([dead], site.service, "task_dead_lettered")
    page = await site.open(f"#/tasks/{dead}")
    await expect(page.locator(".title .status")).to_have_text("dead")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for _ in range(2):
        async with page.expect_response("**/ready"):
            pass
    until_now = [url for url in asked if f"/tasks/{dead}" in url]
    async with page.expect_response(f"**/tasks/{dead}"):
        await calls.redrive(dead)

    assert until_now == []


async def test_the_list_loads_the_beginnings_of_payloads_only(
    site: Site, http: aiohttp.ClientSession
) -> None:
    calls = Client(http, site.service)
    for n in range(5):
        await calls.post("resize", url=f"{n}{'x' * 100_000}", options={"delay_s": 3600})
    page = await site.open()

    async with page.expect_response("**/tasks?*") as listed:
        await page.goto(f"{site.url}/#/tasks")
    body = await (await listed.value).body()

    beginning = '{"url": "4' + "x" * 109 + "…"
    await expect(page.locator("td.data").first).to_have_text(beginning)
    assert len(body) < 10_000


async def test_what_stands_beside_a_list_is_asked_for_when_the_list_is_there(
    site: Site, http: aiohttp.ClientSession
) -> None:
    await Client(http, site.service).post("resize", url="a.png")
    page = await site.open("#/nodes")
    await expect(page.locator("main")).to_contain_text("local")
    answers, asked = asyncio.Event(), []

    async def answer_later(route: Route) -> None:
        await answers.wait()
        await route.continue_()

    await page.route("**/tasks?*", answer_later)
    page.on("request", lambda request: asked.append(request.url))
    async with page.expect_request("**/tasks?*"):
        await page.goto(f"{site.url}/#/tasks")
    too_early = [url for url in asked if "/queues" in url]
    async with page.expect_request("**/queues"):
        answers.set()

    assert too_early == []


async def test_nothing_is_asked_again_while_the_user_is_busy(site: Site) -> None:
    page = await site.open()
    await page.clock.install()
    await page.goto(f"{site.url}/#/tasks")
    await page.reload()
    await expect(page.get_by_label("Queue", exact=True)).to_contain_text("mail")
    await page.clock.pause_at(await page.evaluate("Date.now()") + 1000)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    for _ in range(15):  # for longer than any answer is kept
        await page.keyboard.press("Shift")
        await page.clock.run_for(450)
    while_busy = [url for url in asked if "/assets/" not in url]
    async with page.expect_request("**/tasks?*"):
        await page.clock.run_for(6000)

    assert while_busy == []


async def test_an_event_makes_only_old_what_it_is_about(site: Site) -> None:
    page = await site.open()

    old = await page.evaluate(
        """async () => {
            const main = document.querySelector("script[type=module]").src;
            const { concerns } = await import(new URL("concerns.js", main).href);
            const paths = ["supervision", "running", "queues", "stats", "tasks?limit=50",
                "tasks/a", "tasks/b", "dead/groups?limit=3", "limits/smtp", "ready"];
            const of = (event) => paths.filter((path) => concerns(event, path)).join(" ");
            return [
                of({ name: "child_restarted" }),
                of({ name: "queue_paused" }),
                of({ name: "task_dead_lettered", task_id: "a" }),
                of({ name: "task_edited", task_id: "b" }),
                of({ name: "storage_degraded" }),
                of({ name: "gap" }) === paths.join(" "),
            ];
        }"""
    )

    assert old == [
        "supervision running",
        "queues tasks?limit=50 tasks/a tasks/b",
        "stats tasks?limit=50 tasks/a dead/groups?limit=3",
        "stats tasks?limit=50 tasks/b",
        "supervision ready",
        True,
    ]
