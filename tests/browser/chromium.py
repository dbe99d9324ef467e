"""The browser that the page is tested in."""

import os

import pytest

from benchmarks.chromium import FLAGS, VARIABLE, found

__all__ = ["FLAGS", "find"]


def find() -> str:
    """Return the path of the browser.

    Without one the test is skipped; where `CI` is set, it fails.
    """
    path = found()
    if path is not None:
        return path
    missing = f"no Chromium: run bin/browser, or name one in {VARIABLE}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
