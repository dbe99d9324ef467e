"""A service and the pages that are open on it."""

import re
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Response

from taskqueue.testing.process import ServiceProcess
from tests.system.services import Services, until

# The console repeats an answer that is recorded by its status here; of a connection that could not
# be made there is no answer, so its message counts.
ANSWERED = re.compile("Failed to load resource: the server responded with a status of")
NOT_ANSWERED = re.compile(r"Failed to load resource: net::|.+ net::ERR_")
AWAY = (502, 503)


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
        """What the console has said, and each answer of 400 or more that no test has named."""
        self._expected: list[tuple[int, re.Pattern[str]]] = []
        self._is_away = False

    async def start(self) -> None:
        """Start the service, or start it again."""
        self.service = await self._services.start(
            *("--app", "tests.browser.app:app", "--port", str(self._port), "--queues", "mail=1")
        )

    @property
    def url(self) -> str:
        return self.service.url

    async def open(self, place: str = "", *, script: str = "", **options: Any) -> Page:
        """Open the page at a place such as `#/tasks`, in a window of its own.

        `script` runs before the page's own code.
        """
        context = await self._browser.new_context(**options)
        self._windows.append(context)
        page = await context.new_page()
        if script:
            await page.add_init_script(script)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("response", self._on_response)
        await page.goto(f"{self.url}/{place}")
        return page

    async def open_signed_out(self, place: str = "", **options: Any) -> Page:
        """Open the page of a service that has just been given a token, once it asks for one.

        A running service learns of its first token within a second (`tests.system.test_tokens`).
        """
        async with aiohttp.ClientSession() as http:

            async def status() -> int:
                async with http.get(f"{self.url}/session") as answer:
                    return answer.status

            await until(status, lambda found: found == 401)
        self.expect(401, "/session")
        return await self.open(place, **options)

    def expect(self, status: int, path: str) -> None:
        """Say that calls of a path (a pattern for all of it) may be answered with this status."""
        self._expected.append((status, re.compile(path)))

    def expect_outage(self) -> None:
        """Say that the service may be away, or not ready, from now on."""
        self._is_away = True

    async def close(self) -> None:
        """Close every window."""
        for window in self._windows:
            await window.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"} or ANSWERED.match(message.text):
            return
        if not (self._is_away and NOT_ANSWERED.match(message.text)):
            self.complaints.append(message.text)

    def _on_response(self, response: Response) -> None:
        path = urlsplit(response.url).path
        if response.status < 400 or (self._is_away and response.status in AWAY):
            return
        if not any(s == response.status and p.fullmatch(path) for s, p in self._expected):
            method = response.request.method
            self.complaints.append(f"{response.status} {method} {response.url}")
