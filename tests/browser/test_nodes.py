"""Nodes on the page: one is drained, which is said wherever it matters, and resumed."""

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


async def test_a_node_is_drained_and_resumed(site: Site, http: aiohttp.ClientSession) -> None:
    page = await site.open("#/nodes")
    row = page.locator('tr[data-node="local"]')
    await expect(row).to_contain_text("serving")

    await page.get_by_role("button", name="Drain local").click()
    await expect(row).to_contain_text("draining")
    await site.service.wait_for("node_draining")
    task = await Client(http, site.service).post("resize")
    await page.goto(f"{site.url}/#/")
    await expect(page.get_by_role("region", name="Needs attention")).to_contain_text(
        "Node local drains"
    )

    await page.goto(f"{site.url}/#/nodes")
    await page.get_by_role("button", name="Resume local").click()
    await expect(row).to_contain_text("serving")
    await when([task], site.service, "task_completed")
