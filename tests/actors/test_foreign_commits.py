"""What another process has committed is looked at when the storage reports it, not by the poll."""

import time

import pytest

from taskqueue.actors.queue import pace
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


@pytest.fixture(autouse=True)
def never_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "POLL_S", 3600.0)


async def test_a_task_of_another_process_starts_when_its_commit_is_reported(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await world.completed(await world.enqueue("quick"))

    task = world.prepare("quick")
    await storage.inner.insert([task], now=time.time())
    storage.commit_elsewhere()

    await world.completed(task.id)


async def test_a_handler_stops_when_another_process_has_cancelled_its_task(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    await world.events.wait_for("attempt_started", task_id=task_id)

    await storage.inner.cancel([task_id], reason="not wanted", now=time.time())
    storage.commit_elsewhere()
    storage.commit_elsewhere()
    await world.events.wait_for("task_cancelled", task_id=task_id)

    assert await world.outcomes(task_id) == ["cancelled"]


async def test_a_task_of_another_process_starts_before_it_is_known_what_is_due(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await world.completed(await world.enqueue("quick"))

    task = world.prepare("quick")
    await storage.inner.insert([task], now=time.time())
    storage.insert_elsewhere()  # and `commit_elsewhere` never comes

    await world.completed(task.id)
