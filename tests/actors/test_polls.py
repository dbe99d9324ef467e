"""A service that is told what others commit stops to poll when it is idle, and misses nothing.

Here it polls no more at all, so whatever happens after that is not a poll's doing.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from taskqueue.actors.queue import pace
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import Delivery, Unfinished
from taskqueue.storage.memory.engine import MemoryStorage
from taskqueue.testing.events import EventLog
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import PATIENCE_S, Lives, World

NEVER_S = 3600.0


class Shared(MemoryStorage):
    """Tasks that others could insert, and whether they would tell."""

    def __init__(self) -> None:
        super().__init__()
        self.is_told = True
        self.portions = 0
        """How many claims are to be unfinished."""

    async def claim(self, queue: str, **how: Any) -> tuple[Delivery, ...]:
        if self.portions:
            self.portions -= 1
            return Unfinished()
        return await super().claim(queue, **how)

    async def hears_others(self) -> bool:
        return self.is_told


class Slowness:
    """Notes when the pace has become slow."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._noted = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        monkeypatch.setattr(pace, "slower", self._slower)

    def _slower(self, period_s: float) -> float:
        self._loop.call_soon_threadsafe(self._noted.set)
        return NEVER_S

    async def comes(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            await self._noted.wait()
        self._noted.clear()


@pytest.fixture
async def slowness(monkeypatch: pytest.MonkeyPatch) -> Slowness:
    return Slowness(monkeypatch)


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def storage(shared: Shared) -> FaultyStorage:
    return FaultyStorage(shared)


@pytest.fixture
async def world(
    events: EventLog, storage: FaultyStorage, slowness: Slowness
) -> AsyncIterator[World]:
    """A service that is idle, and polls no more."""
    lives = Lives()
    async with World(events, lambda: storage) as world:
        await world.start()
        await slowness.comes()
        yield world
    await lives.assert_no_more()


async def polls(storage: FaultyStorage, times: int) -> None:
    """Wait for so many polls from now on."""
    wanted = storage.calls.count("all_due") + times
    async with asyncio.timeout(PATIENCE_S):
        while storage.calls.count("all_due") < wanted:
            await storage.called_since(len(storage.calls))


async def test_a_delayed_task_starts_when_it_is_due(world: World, slowness: Slowness) -> None:
    task_id = await world.enqueue("quick", options=Options(delay_s=1.0))
    await slowness.comes()

    await world.completed(task_id)


async def test_while_a_task_runs_it_polls_as_often_as_ever(
    world: World, storage: FaultyStorage, slowness: Slowness
) -> None:
    await world.begun(await world.enqueue("wait"))

    await polls(storage, 3)


async def test_a_task_that_waits_expires_in_time(world: World, storage: FaultyStorage) -> None:
    await storage.pause("default", now=0.0)
    task_id = await world.enqueue("quick", options=Options(expires_s=1.0))

    await world.events.wait_for("task_cancelled", task_id=task_id, timeout_s=PATIENCE_S)


async def test_news_of_others_have_it_poll_again_until_nothing_is_left_to_do(
    world: World, storage: FaultyStorage, slowness: Slowness
) -> None:
    before = storage.calls.count("hears_others")

    storage.commit_elsewhere()
    await slowness.comes()

    assert storage.calls.count("hears_others") > before


async def test_after_an_unfinished_claim_it_claims_again_without_a_poll(
    world: World, shared: Shared, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "POLL_S", NEVER_S)  # so news do not have it poll either
    before = storage.calls.count("claim")
    shared.portions = 5

    task_id = await world.enqueue("quick", options=Options(delay_s=0.1))
    await world.completed(task_id)

    assert storage.calls.count("claim") - before == 6


async def test_when_it_is_told_no_more_it_polls_as_often_as_ever(
    world: World, shared: Shared, storage: FaultyStorage
) -> None:
    shared.is_told = False

    storage.commit_elsewhere()  # as an engine does that has lost its connection

    await polls(storage, 3)


async def test_a_storage_that_fails_while_it_tells_of_news_is_polled(
    world: World, shared: Shared, storage: FaultyStorage
) -> None:
    shared.is_told = False

    storage.fail_next("all_due", RuntimeError("lost just now"))
    storage.commit_elsewhere()

    await polls(storage, 3)
