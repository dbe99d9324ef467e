"""Fixtures for pytest: `pytest_plugins = ["taskqueue.testing.fixtures"]`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from taskqueue.api.app import App
from taskqueue.storage.sqlite.engine import SQLiteStorage
from taskqueue.testing.engine import Engine
from taskqueue.testing.events import EventLog


@pytest.fixture
def events() -> Iterator[EventLog]:
    """What is logged during the test."""
    with EventLog().installed() as log:
        yield log


@pytest.fixture
def taskqueue_engine(tmp_path: Path) -> Callable[[App], Engine]:
    """Makes the engine of an app, with its tasks in a file of this test's own.

    async with taskqueue_engine(app) as engine:
        ...
    """
    storage = SQLiteStorage(tmp_path / "tasks.db", synchronous="NORMAL")

    def make(app: App) -> Engine:
        return Engine(app, storage)

    return make
