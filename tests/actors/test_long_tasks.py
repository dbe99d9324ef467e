"""How long a task runs says nothing about whether it is alive."""

from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import SOON, ManualClock, World

HOUR_S = 3600.0
LEASE_S = 0.15  # extended every 0.05 s of real time; it expires by the manual clock


async def test_a_task_of_six_hours_is_left_alone_while_a_dead_one_is_rescued_without_a_clock(
    world: World, storage: FaultyStorage
) -> None:
    clock = world.clock = ManualClock()
    await world.start(consumers=2, lease_s=LEASE_S)
    long = await world.enqueue("wait")
    its_consumer = (await world.begun(long))["consumer"]

    for _ in range(6):
        clock.time += HOUR_S
        await storage.called("extend", times=2)
    short = await world.enqueue("wait")
    begun = await world.begun(short)
    [victim] = [ref for ref in world.consumers if ref.label == begun["consumer"]]
    victim.kill()
    await world.events.wait_for("task_requeued", task_id=short)  # the clock has not moved
    clock.time += SOON.max_s
    await world.begun(short, attempt=2)
    world.gate.open()
    await world.completed(long, short)

    assert its_consumer != begun["consumer"]
    assert await world.outcomes(long) == ["completed"]
    assert await world.outcomes(short) == ["crashed", "completed"]
    assert [e["task_id"] for e in world.events.select("task_rescued")] == [short]
