"""Tasks that need not wait are claimed with their insert, and nobody loses them on the way."""

import asyncio

import pytest

from taskqueue.actors.messages import DATABASE, QUEUE
from taskqueue.commands import Pause, Resume
from taskqueue.errors import ActorUnavailable
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from taskqueue.testing.faults import kill
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, World


async def at_rest(world: World, storage: FaultyStorage) -> None:
    """Have the queue find that nobody waits, and come to rest."""
    await world.completed(await world.enqueue("quick"))
    calls = -1
    while calls != len(storage.calls):
        calls = len(storage.calls)
        await storage.idle()
        await world.readiness()  # what it was told before has been heard


async def test_a_task_that_need_not_wait_takes_no_claim_of_its_own(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await at_rest(world, storage)
    claims = storage.calls.count("claim")

    tasks = [await world.enqueue("quick") for _ in range(3)]
    await world.completed(*tasks)

    assert storage.calls.count("claim") == claims
    assert [(await world.history(each)).task.attempt for each in tasks] == [1, 1, 1]


async def test_nobody_who_waits_is_overtaken(world: World, storage: FaultyStorage) -> None:
    await world.start()
    await at_rest(world, storage)
    gate = await world.enqueue("wait")
    await world.begun(gate)
    low = Options(priority=1)
    await world.app.enqueue(*(world.prepare("quick", options=low) for _ in range(20)))
    found = await world.storage.use(Storage.find, limit=20, now=NOW)
    waiting = [task.id for task in reversed(found)]

    late = await world.enqueue("quick", options=low)
    urgent = await world.enqueue("quick")
    world.gate.open()
    await world.completed(late, urgent, *waiting)

    assert [each for each in world.runs if each in waiting] == waiting
    assert world.runs.index(late) == len(world.runs) - 1
    assert world.runs.index(urgent) < world.runs.index(late) - 1


@pytest.mark.parametrize("victim", [QUEUE, DATABASE])
async def test_what_is_claimed_although_its_insert_was_never_answered_is_done_once(
    world: World, storage: FaultyStorage, victim: str
) -> None:
    await world.start()
    await at_rest(world, storage)
    insert = storage.hold_answers("insert")
    answer = asyncio.create_task(world.enqueue("quick"))
    await insert.reached()

    await kill(world.system, victim)
    insert.release()

    with pytest.raises(ActorUnavailable):
        await answer
    [task] = await world.storage.use(Storage.find, limit=1, now=NOW)
    await world.completed(task.id)
    assert world.runs.count(task.id) == 1


async def test_what_was_claimed_before_a_pause_and_comes_after_it_is_handed_back(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await at_rest(world, storage)
    busy = await world.enqueue("wait")
    await world.begun(busy)  # so nobody takes at once what comes
    insert = storage.hold_answers("insert")
    answer = asyncio.create_task(world.enqueue("quick"))
    await insert.reached()

    pausing = asyncio.create_task(ask(world.system.address(QUEUE), Pause(queue="default")))
    await world.events.wait_for("queue_paused")
    insert.release()
    task_id = await answer
    await pausing
    await world.events.wait_for("task_handed_back", task_id=task_id)
    world.gate.open()
    await world.completed(busy)
    assert task_id not in world.runs

    await ask(world.system.address(QUEUE), Resume(queue="default"))
    await world.completed(task_id)


async def test_what_is_claimed_while_the_service_stops_is_handed_back(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await at_rest(world, storage)
    insert = storage.hold_answers("insert")
    answer = asyncio.create_task(world.enqueue("quick"))
    await insert.reached()

    stopping = asyncio.create_task(world.stop())
    await world.events.wait_for("child_stopped", child_id="consumers")
    insert.release()
    task_id = await answer
    await stopping

    await storage.inner.open()
    [task] = await storage.inner.find(limit=1, now=NOW)
    assert (task.id, task.status, task.attempt, task.deliveries) == (task_id, "queued", 0, 0)
    assert task_id not in world.runs


async def test_what_comes_while_orphans_are_looked_for_is_not_taken_for_one(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(lease_s=0.15)  # they are looked for every 0.05 s
    await at_rest(world, storage)
    extend = storage.hold("extend")
    await extend.reached()
    insert = storage.hold_answers("insert")
    answer = asyncio.create_task(world.enqueue("quick"))
    await insert.reached()

    extend.release()
    await storage.called("all_due")  # the search is over
    insert.release()
    task_id = await answer
    await world.completed(task_id)

    assert world.events.select("task_rescued") == []
    assert world.runs.count(task_id) == 1
