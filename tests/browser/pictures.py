"""The pictures in the README, taken of a scripted scene: `python -m tests.browser.pictures`.

A service works for a while: most goes well, a payment gateway fails, and one consumer is killed.
"""

import asyncio
import re
import sys
import tempfile
from pathlib import Path

import aiohttp
from playwright.async_api import Browser, Page, async_playwright, expect

from taskqueue.testing.process import ServiceProcess
from tests.browser import chromium
from tests.system.services import until

FOLDER = Path(__file__).parents[2] / "docs/pictures"
LIGHT = {"color_scheme": "light", "viewport": {"width": 1200, "height": 1180}}
DARK = {"color_scheme": "dark", "viewport": {"width": 1200, "height": 860}}
ROUNDS = 12
ROUND_S = 6.0


async def main() -> None:
    """Play the scene and take the pictures."""
    path = chromium.find()
    with tempfile.TemporaryDirectory() as folder:
        flags = ("--app", "tests.browser.scene:app", "--queues", "mail=1")
        async with (
            ServiceProcess(Path(folder), *flags) as service,
            aiohttp.ClientSession(service.url) as http,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=path, args=[*chromium.FLAGS])
            await play(browser, http, service.url)
            await browser.close()


async def play(browser: Browser, http: aiohttp.ClientSession, url: str) -> None:
    """Watch the service on two pages while it works."""
    light = await (await browser.new_context(**LIGHT)).new_page()
    dark = await (await browser.new_context(**DARK)).new_page()
    await light.goto(url)
    await http.post("/tasks", json={"action": "report", "data": {"days": 30}})
    consumer = await until(lambda: running(http), lambda attempts: len(attempts) > 0)
    await dark.goto(f"{url}/#/actors/root/consumers/{consumer[0]['consumer']}")
    for i in range(ROUNDS):
        await http.post("/tasks", json=[*work_of(i)])
        if i == ROUNDS * 2 // 3:
            await kill(dark)
        await asyncio.sleep(ROUND_S)
    await keep(dark, "crash")
    await http.post("/tasks", json=[*work_of(ROUNDS)])
    await asyncio.sleep(ROUND_S / 3)
    await until(lambda: dead_shown(light), lambda shown: len(set(shown)) == 1)
    await keep(light, "overview")


async def dead_shown(page: Page) -> list[str]:
    """How many dead tasks the figures tell of, the navigation, and what needs attention.

    They are asked for one after the other: a picture may not show numbers of two moments.
    """
    figure = await page.locator(".figures a[data-tone=bad] b").inner_text()
    tally = await page.locator(".side .tally").inner_text()
    attention = await page.locator(".attention").inner_text()
    return [figure, tally, re.findall(r"charge: (\d+) dead", attention)[0]]


async def running(http: aiohttp.ClientSession) -> list[dict[str, str]]:
    """The attempts that run."""
    async with http.get("/running") as answer:
        return list((await answer.json())["running"])


def work_of(i: int) -> list[dict[str, object]]:
    """What comes in one round."""
    return [
        *(
            {"action": "mail", "data": {"to": f"user{n}@example.com"}}
            for n in range(40 + i % 3 * 9)
        ),
        *({"action": "resize", "data": {"url": f"{i}-{n}.png"}} for n in range(16)),
        *({"action": "charge", "data": {"order": 4000 + 10 * i + n}} for n in range(3)),
    ]


async def kill(page: Page) -> None:
    """Let the consumer crash while it has a task in hand."""
    await expect(page.get_by_role("region", name="Runs now")).to_be_visible()
    await page.get_by_role("button", name="Let it crash").click()
    await page.get_by_role("button", name="Kill it").click()
    await expect(page.get_by_text("the task is")).to_be_visible(timeout=30_000)


async def keep(page: Page, name: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    await page.mouse.move(0, 0)
    await page.evaluate("document.activeElement.blur()")
    await page.screenshot(path=FOLDER / f"{name}.png")


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
