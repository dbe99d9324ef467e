"""A real browser before a real service. Whatever the page complains about fails the test.

One browser serves the tests of a module; it and they run in the loop of the session.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from tests.browser import chromium
from tests.browser.site import Site
from tests.forked.service import ForkedService
from tests.system.services import TIMEOUT_S, Services

expect.set_options(timeout=TIMEOUT_S * 1000)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A browser that ends before the tests of another folder look for processes left behind."""
    path = chromium.find()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*chromium.FLAGS])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def site(browser: Browser, tmp_path: Path) -> AsyncIterator[Site]:
    """A service, and pages of it."""
    services = Services(tmp_path, kind=ForkedService)
    site = Site(services, browser, tmp_path)
    try:
        await site.start()
        yield site
    finally:
        await site.close()
        await services.end()
    assert site.complaints == []
    assert services.surprises() == []
