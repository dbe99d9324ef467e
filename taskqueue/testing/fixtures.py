"""Fixtures for pytest: `pytest_plugins = ["taskqueue.testing.fixtures"]`."""

from collections.abc import Iterator

import pytest

from taskqueue.testing.events import EventLog


@pytest.fixture
def events() -> Iterator[EventLog]:
    """What is logged during the test."""
    with EventLog().installed() as log:
        yield log
