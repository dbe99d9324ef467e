"""The browser that the page is tested in."""

import os
import shutil

import pytest

from benchmarks.chromium import FLAGS, VARIABLE, found

__all__ = ["FLAGS", "find"]

SHELL = "chromium-headless-shell"  # the same without windows: a sixth less of processor time


def find() -> str:
    """Return the path of the browser: the one that is named, the shell, or a whole Chromium.

    Without one the test is skipped; where `CI` is set, it fails.
    """
    path = os.environ.get(VARIABLE) or shutil.which(SHELL) or found()
    if path is not None:
        return path
    missing = f"no Chromium: run bin/browser, or name one in {VARIABLE}"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)
