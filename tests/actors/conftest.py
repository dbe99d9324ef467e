"""The roles under real supervisors, over a storage that fails on command."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.testing.events import EventLog
from taskqueue.testing.fixtures import events
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import Lives, World

__all__ = ["events"]


@pytest.fixture
def storage() -> FaultyStorage:
    return FaultyStorage(MemoryStorage())


@pytest.fixture
async def world(events: EventLog, storage: FaultyStorage) -> AsyncIterator[World]:
    """A world to be started. Nothing of it lives after the test."""
    lives = Lives()
    async with World(events, lambda: storage) as world:
        yield world
    await lives.assert_no_more()
