"""Retention: what has ended long enough ago goes, and nothing else."""

from taskqueue.actors.messages import RETENTION
from taskqueue.actors.retention import BATCH, Expire, RetentionActor
from taskqueue.api.context import Context
from taskqueue.api.outcomes import Reject
from taskqueue.rules.access import Role
from taskqueue.rules.audit import MAX_STORED
from taskqueue.rules.options import Options
from taskqueue.rules.retention import DAY_S, Retention
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from taskqueue.supervision import terminate_child
from taskqueue.testing.contract.administration import change
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import ManualClock, World


async def expire(world: World) -> int:
    return await ask(world.system.address(RETENTION), Expire())


async def test_what_ended_long_ago_goes_and_what_lives_or_is_young_stays(world: World) -> None:
    world.clock = clock = ManualClock()
    await world.start(retention=Retention(completed_s=60.0))
    old = [await world.enqueue("quick") for _ in range(3)]
    await world.completed(*old)
    waiting = await world.enqueue("quick", options=Options(run_at=clock.time + 1000.0))
    clock.time += 50.0
    young = await world.enqueue("quick")
    await world.completed(young)

    early = await expire(world)
    clock.time += 20.0
    expired = await expire(world)

    left = await world.storage.use(Storage.find, limit=100, now=clock.time)
    assert (early, expired) == (0, 3)
    assert {task.id for task in left} == {waiting, young}
    assert world.events.select("tasks_expired", status="completed", tasks=3)


async def test_more_than_a_batch_goes_in_one_go(world: World) -> None:
    world.clock = clock = ManualClock()
    retention = Retention(completed_s=60.0)
    await world.start(consumers=4, slots=16, prefetch=100, retention=retention)
    tasks = [world.prepare("quick") for _ in range(BATCH + 1)]
    await world.app.enqueue(*tasks)
    await world.completed(*(task.id for task in tasks), timeout_s=20.0)

    clock.time += 61.0

    assert await expire(world) == BATCH + 1


async def test_zero_keeps_for_ever(world: World) -> None:
    world.clock = clock = ManualClock()
    await world.start(retention=Retention(completed_s=0.0))
    task_id = await world.enqueue("quick")
    await world.completed(task_id)

    clock.time += 1e9

    assert await expire(world) == 0


async def test_dead_letters_go_too_after_ninety_days_by_the_wall_clock(world: World) -> None:
    @world.app.task("reject")
    async def reject(ctx: Context) -> None:
        raise Reject("broken")

    world.clock = clock = ManualClock()
    await world.start()
    task_id = await world.enqueue("reject")
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    clock.time += 90 * DAY_S - 1.0
    before = await expire(world)
    clock.time += 2.0
    after = await expire(world)

    assert (before, after) == (0, 1)
    assert world.events.select("tasks_expired", status="dead", tasks=1)


async def test_an_outage_is_waited_out(world: World, storage: FaultyStorage) -> None:
    await world.start()
    await terminate_child(world.root, "retention")
    storage.break_down()

    retention = await world.system.spawn(RetentionActor, Retention(), None, period_s=0.01)
    await world.events.wait_for("retention_postponed", nth=2)
    storage.repair()
    await world.events.wait_for("storage_ready", nth=2)

    assert retention.is_alive()
    assert await expire(world) == 0


async def test_old_changes_go_and_young_ones_stay(world: World) -> None:
    world.clock = clock = ManualClock()
    await world.start(retention=Retention(audit_s=60.0))
    old = [change(f"{place:04}", at=clock.time) for place in range(BATCH + 1)]
    young = change("9999", Role.ENQUEUE, at=clock.time + 50.0)
    await world.storage.use(Storage.record_changes, [*old, young])

    clock.time += 61.0
    await expire(world)

    assert await world.storage.use(Storage.changes, limit=9) == (young,)


async def test_with_zero_only_the_latest_changes_are_kept_however_old(world: World) -> None:
    world.clock = clock = ManualClock()
    await world.start(retention=Retention(audit_s=0.0))
    changes = [change(f"{place:06}", at=0.0) for place in range(MAX_STORED + 1)]
    await world.storage.use(Storage.record_changes, changes)

    clock.time += 1e9
    await expire(world)

    kept = await world.storage.use(Storage.changes, limit=MAX_STORED + 1)
    assert (len(kept), kept[-1].id) == (MAX_STORED, "000001")
