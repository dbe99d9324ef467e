"""No violation that axe-core finds: every screen, light and dark, with data and without."""

from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_service import sign_in
from tests.system.services import Client, when
from tests.system.test_tokens import new

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="session"),
]

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()

SCREENS = {
    "": "Supervision",
    "#/tasks": "Created",
    "#/tasks?text=nothing-has-this": "No task matches",
    "#/tasks/{done}": "Result",
    "#/tasks/{dead}": "Traceback",
    "#/tasks/{later}": "Why it is not running",
    "#/queues": "Consumers",
    "#/schedules": "At 03:00 every day",
    "#/schedules/nightly": "Next slots",
    "#/limits": "Allows",
    "#/limits/smtp": "Nothing is used",
    "#/groups": "import-17",
    "#/dead": "For example",
    "#/actors": "database",
    "#/actors/root/database": "Neighbours",
    "#/events": "Who",
    "#/settings": "drain_s",
}


async def violations(page: Page) -> list[str]:
    """What axe-core finds, with the place."""
    await page.evaluate(AXE)
    found = await page.evaluate("() => axe.run()")
    return [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_screen_has_a_violation(
    site: Site, http: aiohttp.ClientSession, scheme: str
) -> None:
    calls = Client(http, site.service)
    done = await calls.post("resize", url="a.png")
    dead = await calls.post("mail", to="nobody")
    later = await calls.post("resize", options={"delay_s": 3600})
    await calls.post("resize", url="b.png", options={"group": "import-17"})
    await calls.kill("root/consumers/consumer-1")
    await when([done], site.service, "task_completed")
    await when([dead], site.service, "task_dead_lettered")
    # Without transitions: a colour that fades in has no contrast yet.
    page = await site.open(color_scheme=scheme, reduced_motion="reduce")

    found = []
    for place, shows in SCREENS.items():
        await page.goto(f"{site.url}/{place.format(done=done, dead=dead, later=later)}")
        await expect(page.locator("main")).to_contain_text(shows)
        found += [f"{place} {each}" for each in await violations(page)]
    for key, name in {
        "n": "New task",
        "?": "Keyboard shortcuts",
        "Control+k": "Command palette",
    }.items():
        await page.keyboard.press(key)
        await expect(page.get_by_role("dialog", name=name)).to_be_visible()
        found += [f"{name} {each}" for each in await violations(page)]
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    assert found == []


async def test_the_sign_in_has_no_violation(site: Site, tmp_path: Path) -> None:
    token = await new(tmp_path, "read", "rita")
    page = await site.open()
    await expect(page.get_by_label("Token")).to_be_visible()

    found = await violations(page)

    assert found == []
    await sign_in(page, token)
