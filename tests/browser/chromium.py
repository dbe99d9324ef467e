"""The browser that the page is tested in: Chromium, as the system has it."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
VARIABLE = "CHROMIUM"

# Root may not use the sandbox, small machines have no GPU, and a test asks no other host.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def find() -> str:
    """Return the path of the browser.

    Without one the test is skipped; where `CI` is set, it fails.
    """
    found = os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)
    if found:
        return found
    missing = f"no Chromium: run bin/browser, or name one in {VARIABLE}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
