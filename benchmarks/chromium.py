"""The browser of the page: Chromium, as the system has it."""

import importlib.util
import os
import shutil

NAMES = (
    *("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "chromium-headless-shell",
)
VARIABLE = "CHROMIUM"

# Root may not use the sandbox, small machines have no GPU, and the page asks no other host.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)


def found() -> str | None:
    """Return the path of the browser, None if there is none."""
    return os.environ.get(VARIABLE) or next(filter(None, map(shutil.which, NAMES)), None)


def missing() -> str | None:
    """Return what this machine lacks to drive a browser, None if it can."""
    if importlib.util.find_spec("playwright") is None:
        return "the package playwright"
    return None if found() else f"Chromium (run bin/browser, or name one in {VARIABLE})"
