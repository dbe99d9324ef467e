"""Fixtures of all tests: those that are shipped for users."""

import gc

import pytest

from tests import examples_of_hypothesis

# The contract is shipped with the package, so pytest would not explain its assertions by itself.
# Here, because tests outside of `storage/` import some of it too, and that must come later.
pytest.register_assert_rewrite("taskqueue.testing.contract")

examples_of_hypothesis.register()

pytest_plugins = ("taskqueue.testing.fixtures",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long form of what has one")


def pytest_configure() -> None:
    """Look for no garbage among ten thousand tests while they are collected."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Nor among them ever after: a test that collects garbage would take half a second for it."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that none of them is left over when the rest ends."""
    long = {item.path for item in items if item.get_closest_marker("long")}
    items.sort(key=lambda item: item.path not in long)
