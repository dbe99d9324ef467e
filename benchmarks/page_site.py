"""What the page is measured on: a service with many tasks, a load, and a browser."""

import asyncio
import atexit
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import chromium, grown, servers
from benchmarks.processor import running_s
from taskqueue.testing.process import children_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROWS = 200_000
PER_SECOND = 2_000
QUEUE = "load"  # the tasks that are in the file already wait in another one, without consumers
SETTLED_S = 0.5

CLOCK = Path(__file__).with_name("page_clock.js")


@dataclass(frozen=True, slots=True)
class Site:
    """A service that runs."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://127.0.0.1:{self.port}/"

    def completed(self) -> int:
        """Return how many tasks are completed."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port)) as connection:
            connection.request("GET", "/stats")
            return int(json.loads(connection.getresponse().read())["tasks"]["completed"])

    def percent(self, seconds: float) -> float:
        """Return how much of a core the service takes for so long, in percent."""
        before, began_at = running_s(self.pid), time.monotonic()
        time.sleep(seconds)
        return 100 * (running_s(self.pid) - before) / (time.monotonic() - began_at)


class File:
    """The file with 200,000 tasks: made when it is first asked for, and copied for each service."""

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def copy_to(self, path: Path) -> None:
        """Make a copy."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="taskqueue-page-")
            atexit.register(self._folder.cleanup)
        made = Path(self._folder.name) / "made.db"
        if not made.exists():
            asyncio.run(grown.make(made, ROWS, now=time.time()))
        shutil.copy(made, path)
        with path.open("rb") as copied:
            os.fsync(copied.fileno())  # else the first commit of the service waits for all of it


FILE = File()


@contextmanager
def serving() -> Iterator[Site]:
    """Run a service on a file with 200,000 tasks until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.db"
        FILE.copy_to(path)
        before = {*children_of(os.getpid())}
        flags = ("--database", str(path), "--consumers", "0", "--queues", f"{QUEUE}=2")
        with servers.service("app", *flags) as port:
            [pid] = {*children_of(os.getpid())} - before
            time.sleep(SETTLED_S)
            yield Site(port, pid)


@contextmanager
def loaded(site: Site, per_second: int = PER_SECOND) -> Iterator[None]:
    """Have so many tasks a second come in, and be completed, until the block ends."""
    module = ("-m", "benchmarks.paced_posts", str(site.port), QUEUE, str(per_second))
    with subprocess.Popen([sys.executable, *module]) as load:
        try:
            yield
        finally:
            load.kill()


@contextmanager
def browser(*more_flags: str) -> Iterator["Browser"]:
    """Run a browser until the block ends."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - not everywhere installed

    with sync_playwright() as playwright:
        flags = [*chromium.FLAGS, *more_flags]
        launched = playwright.chromium.launch(executable_path=chromium.found(), args=flags)
        try:
            yield launched
        finally:
            launched.close()


@contextmanager
def window(opened: "Browser") -> Iterator["Page"]:
    """Open a window with an empty cache, whose pages have the clock, until the block ends."""
    with ExitStack() as stack:
        context = opened.new_context(viewport={"width": 1280, "height": 900})
        stack.callback(context.close)
        context.add_init_script(path=CLOCK)
        yield context.new_page()
