"""Fixtures of all tests: those that are shipped for users."""

import pytest

pytest_plugins = ("taskqueue.testing.fixtures",)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="run the long form of what has one")
