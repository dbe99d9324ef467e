"""A service and the pages that are open on it."""

import socket
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Services

# What a browser says about answers that are no failure of the page.
EXPECTED = ("Failed to load resource",)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Site:
    """A service that keeps its address when it is started again, and its pages."""

    def __init__(self, services: Services, browser: Browser, folder: Path) -> None:
        self._services = services
        self._browser = browser
        self._port = free_port()
        self.folder = folder
        self._windows: list[BrowserContext] = []
        self.service: ServiceProcess
        self.complaints: list[str] = []
        """What the console has said, and what the page has loaded in vain."""

    async def start(self) -> None:
        """Start the service, or start it again."""
        self.service = await self._services.start(
            *("--app", "tests.browser.app:app", "--port", str(self._port), "--queues", "mail=1")
        )

    @property
    def url(self) -> str:
        return self.service.url

    async def open(self, place: str = "", **options: Any) -> Page:
        """Open the page at a place such as `#/tasks`, in a window of its own."""
        context = await self._browser.new_context(**options)
        self._windows.append(context)
        page = await context.new_page()
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._on_response)
        await page.goto(f"{self.url}/{place}")
        return page

    async def close(self) -> None:
        """Close every window."""
        for window in self._windows:
            await window.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.complaints.append(message.text)

    def _on_response(self, response: Response) -> None:
        if "/assets/" in response.url and response.status >= 400:
            self.complaints.append(f"{response.status} {response.url}")
