"""The roles under real supervisors, over a storage that fails on command."""

from collections.abc import AsyncIterator

import pytest

from taskqueue.runtime import System
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
    async with System(kill_grace_s=0.1) as system:
        world = World(system, events, lambda: storage)
        yield world
        world.gate.open()
    await lives.assert_no_more()
