"""Leases: what is ours stays ours, whatever the clock says; what is nobody's is taken back."""

import pytest

from taskqueue.actors.queue import lease_keeper
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.tasks import Cancel, Owner, SettleBy, Status
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, ManualClock, World

LEASE_S = 0.6  # extended every 0.2 s of real time; it expires by the manual clock


async def token_of(world: World, storage: FaultyStorage, task_id: str) -> str:
    [token] = [d.token for d in await storage.inner.held(world.owner) if d.task.id == task_id]
    return token


async def test_what_runs_is_ours_however_far_the_clock_jumps(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    await world.start(lease_s=LEASE_S)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    for _ in range(3):
        clock.time += 3600
        await storage.called("rescue", times=2)
    world.gate.open()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert world.events.select("task_rescued") == []


async def test_a_clock_that_is_set_back_disturbs_nothing_that_runs_and_delays_what_waits(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    await world.start(lease_s=LEASE_S, prefetch=0)
    running = await world.enqueue("wait")
    await world.begun(running)
    waiting = await world.enqueue("quick")

    clock.time -= 3600
    await storage.called("rescue", times=2)
    late = await world.enqueue("quick")
    world.gate.open()
    await world.completed(running, late)
    begun = list(world.runs)
    clock.time = NOW
    await world.completed(waiting)

    assert begun == [running, late]
    assert world.events.select("task_rescued") == []


async def test_after_an_outage_leases_are_extended_before_anything_is_rescued(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    await world.start(lease_s=LEASE_S)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    storage.break_down()
    await world.events.wait_for("storage_degraded")
    clock.time += 3600
    before = len(storage.calls)
    storage.repair()
    await world.events.wait_for("storage_ready", nth=2)
    await storage.called("rescue")
    since = storage.calls[before:]
    world.gate.open()
    await world.completed(task_id)

    assert since.index("extend") < since.index("rescue")
    assert world.runs == [task_id]
    assert world.events.select("task_rescued") == []


async def test_a_settlement_waits_for_the_storage_and_nobody_rescues_its_task(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    await world.start(lease_s=LEASE_S)
    settle = storage.hold("settle")
    storage.fail_next("start", StorageUnavailable("nobody can see that it has begun"))
    task_id = await world.enqueue("quick")
    await settle.reached()

    clock.time += 3600
    await storage.called("rescue", times=3)
    settle.release()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert await world.outcomes(task_id) == ["completed"]
    assert world.events.select("task_rescued") == []


async def test_during_an_outage_handlers_run_on_and_their_results_are_kept(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=2)
    tasks = [await world.enqueue("wait") for _ in range(2)]
    for task_id in tasks:
        await world.begun(task_id)

    storage.break_down()
    world.gate.open()
    await world.events.wait_for("storage_degraded")
    storage.repair()
    await world.completed(*tasks)

    assert sorted(world.runs) == sorted(tasks)
    assert [await world.outcomes(each) for each in tasks] == [["completed"]] * 2


async def test_a_start_that_could_not_be_noted_is_noted_later(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(lease_s=LEASE_S)
    storage.fail_next("start", StorageUnavailable("hiccup"))
    task_id = await world.enqueue("wait")
    await world.events.wait_for("start_not_noted")

    await storage.called("extend", times=2)

    assert (await world.history(task_id)).task.status == Status.RUNNING


async def test_who_lost_its_lease_writes_nothing_and_says_so_once(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(lease_s=LEASE_S)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    token = await token_of(world, storage, task_id)
    cancelled = SettleBy(token=token, settlement=Cancel(reason="by a person"))
    await storage.inner.settle([cancelled], now=NOW)

    await storage.called("extend", times=2)
    world.gate.open()
    await world.events.wait_for("task_lease_lost", task_id=task_id)
    await world.completed(await world.enqueue("quick"))  # the slot is free again

    task = (await world.history(task_id)).task
    assert (task.status, task.result) == ("cancelled", None)
    assert len(world.events.select("task_lease_lost")) == 1


async def test_what_was_taken_from_the_buffer_is_not_run(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(lease_s=LEASE_S)
    running, buffered = [await world.enqueue("wait") for _ in range(2)]
    await world.begun(running)
    while not [d for d in await storage.inner.held(world.owner) if d.task.id == buffered]:
        await storage.called("claim")
    token = await token_of(world, storage, buffered)
    cancelled = SettleBy(token=token, settlement=Cancel(reason="by a person"))
    await storage.inner.settle([cancelled], now=NOW)

    await storage.called("extend", times=2)
    world.gate.open()
    await world.completed(running, await world.enqueue("quick"))

    assert buffered not in world.runs


async def test_after_an_outage_other_nodes_have_time_to_extend_their_leases(
    world: World, storage: FaultyStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease_keeper, "RETURN_S", 1.0)
    clock = world.clock = ManualClock()
    alive, dead = world.prepare("quick"), world.prepare("quick")
    await storage.inner.migrate()
    await storage.inner.open()
    await storage.inner.insert([alive, dead], now=NOW)
    other = Owner(node="elsewhere", incarnation="1")
    await storage.inner.claim("default", limit=2, owner=other, lease_s=10, now=NOW)
    held = {each.task.id: each.token for each in await storage.inner.held(other)}
    await world.start(lease_s=0.15)  # an outage is longer than this one

    storage.break_down()
    await world.events.wait_for("storage_degraded")
    clock.time = NOW + 11  # no lease could be extended
    await storage.called("open", times=3)  # it takes longer than our lease
    storage.repair()
    await storage.called("extend", times=2)
    lost = await storage.inner.extend([held[alive.id]], lease_s=10, now=clock.time)
    await world.completed(dead.id)

    assert lost == ()
    assert [e["task_id"] for e in world.events.select("task_rescued")] == [dead.id]
    assert [each.task.id for each in await storage.inner.held(other)] == [alive.id]


async def test_another_node_is_judged_by_its_lease_alone(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    task = world.prepare("quick")
    await storage.inner.migrate()
    await storage.inner.open()
    await storage.inner.insert([task], now=NOW)
    other = Owner(node="elsewhere", incarnation="1")
    await storage.inner.claim("default", limit=1, owner=other, lease_s=10, now=NOW)
    await world.start(lease_s=LEASE_S)

    clock.time = NOW + 10
    await storage.called("rescue", times=2)
    too_early = world.events.select("task_rescued")
    clock.time = NOW + 10.001
    await world.completed(task.id)

    assert too_early == []
