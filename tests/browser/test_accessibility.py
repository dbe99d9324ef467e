"""No violation that axe-core finds: every screen and state, light and dark, also without data."""

from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest
from playwright.async_api import Page, expect

from tests.browser.site import Site
from tests.browser.test_look import keep
from tests.browser.test_service import sign_in
from tests.system.faults import locked
from tests.system.services import Client, until, when
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
    "#/nodes": "local",
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
    if not await page.evaluate("() => 'axe' in window"):  # one document shows many screens
        await page.evaluate(AXE)
    # Of what passes it needs no list of all elements.
    found = await page.evaluate("() => axe.run({resultTypes: ['violations']})")
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


class Look:
    """Looks at one page in one state after the other."""

    def __init__(self, page: Page, scheme: str) -> None:
        self.page = page
        self._scheme = scheme
        self.found: list[str] = []

    async def at(self, state: str) -> None:
        """Keep what axe-core finds in this state, and a picture of it if these are wanted."""
        await keep(self.page, f"{state.replace(' ', '-')}-{self._scheme}")
        self.found += [f"{state}: {each}" for each in await violations(self.page)]

    async def at_dialog(self, button: str, state: str) -> None:
        """Open a dialog, look at it, and leave it."""
        await self.page.get_by_role("button", name=button, exact=True).first.click()
        await expect(self.page.get_by_role("dialog")).to_be_visible()
        await expect(self.page.get_by_role("dialog")).not_to_contain_text("Counting")
        await self.at(state)
        await self.page.keyboard.press("Escape")
        await expect(self.page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_state_of_a_screen_has_a_violation(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path, scheme: str
) -> None:
    gate = tmp_path / "gate"
    calls = Client(http, site.service)
    later = await calls.post("resize", options={"delay_s": 3600})
    held = await calls.post("hold", until=str(gate))
    started = await site.service.wait_for("attempt_started", task_id=held)
    for _ in range(60):
        await calls.post("resize", options={"delay_s": 3600})
    page = await site.open(f"#/tasks/{held}", color_scheme=scheme, reduced_motion="reduce")
    look = Look(page, scheme)

    await expect(page.get_by_text("Right now:")).to_be_visible()
    await look.at("a running task")
    await page.goto(f"{site.url}/#/tasks/{later}")
    await expect(page.get_by_text("Why it is not running")).to_be_visible()
    await look.at_dialog("Edit", "edit")
    await look.at_dialog("Clone", "clone")
    await look.at_dialog("Cancel", "cancel one")
    await page.goto(f"{site.url}/#/tasks?status=scheduled&from=2020-01-01T00:00")
    await page.get_by_label("Select all that are shown").check()
    await look.at("the selection")
    await page.get_by_role("button", name="Select all that match").click()
    await look.at_dialog("Cancel", "cancel all that match")
    await page.goto(f"{site.url}/#/limits")
    await look.at_dialog("Change smtp", "change a limit")
    await page.goto(f"{site.url}/#/actors/root/consumers/{started['consumer']}")
    await expect(page.get_by_role("region", name="Runs now")).to_be_visible()
    await look.at_dialog("Let it crash", "let it crash")
    await page.get_by_role("button", name="Let it crash").click()
    await page.get_by_role("button", name="Kill it").click()
    await expect(page.get_by_label("Proof")).to_contain_text("attempt 1 crashed")
    await look.at("the proof of a kill")
    await page.keyboard.press("Tab")
    await page.get_by_role("region", name="Life").locator("time").first.focus()
    await expect(page.get_by_role("tooltip")).to_be_visible()
    await look.at("a tip")
    gate.touch()
    await when([held], site.service, "task_completed")

    assert look.found == [], "\n".join(look.found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_no_trouble_of_the_service_has_a_violation(
    site: Site, http: aiohttp.ClientSession, tmp_path: Path, scheme: str
) -> None:
    calls = Client(http, site.service)
    page = await site.open(color_scheme=scheme, reduced_motion="reduce")
    look = Look(page, scheme)
    site.expect(422, "/tasks|/stats")
    site.expect_outage()

    with locked(site.service, tmp_path / "data/tasks.db"):
        await until(lambda: calls.try_to_post("resize"), lambda answer: answer.status == 503)
        await expect(page.get_by_role("alert")).to_contain_text("Not ready")
        await expect(page.get_by_role("listitem").first).to_be_visible()
        await look.at("not ready")
    await page.goto(f"{site.url}/#/tasks?action=%07")
    await expect(page.get_by_role("main").get_by_role("alert")).to_contain_text("invalid query")
    await look.at("a failure")
    site.service.kill()
    await expect(page.get_by_text("Reconnecting")).to_be_visible()
    await look.at("reconnecting")

    assert look.found == [], "\n".join(look.found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_navigation_of_a_phone_has_no_violation(site: Site, scheme: str) -> None:
    page = await site.open(color_scheme=scheme, viewport={"width": 390, "height": 844})
    look = Look(page, scheme)
    await expect(page.get_by_role("region", name="Supervision")).to_contain_text("database")

    await look.at("the overview on a phone")
    await page.get_by_role("button", name="More").click()
    await look.at("more screens")

    assert look.found == [], "\n".join(look.found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_sign_in_has_no_violation(site: Site, tmp_path: Path, scheme: str) -> None:
    token = await new(tmp_path, "read", "rita")
    page = await site.open_signed_out(color_scheme=scheme, reduced_motion="reduce")
    look = Look(page, scheme)
    await expect(page.get_by_label("Token")).to_be_visible()

    await look.at("sign in")
    await page.get_by_label("Token").fill("tq_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    await look.at("a token that is refused")

    assert look.found == [], "\n".join(look.found)
    await sign_in(page, token)
