"""A queue whose tasks age serves every priority, whatever comes in."""

from taskqueue import Context
from taskqueue.commands import GetQueues
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from tests.actors.world import ManualClock, World


async def test_a_low_priority_is_served_although_urgent_tasks_never_end(world: World) -> None:
    world.app.queue("default", ageing_s=10.0)
    order: list[str] = []

    @world.app.task("note")
    async def note(ctx: Context, name: str) -> None:
        order.append(name)

    world.clock = clock = ManualClock()
    await world.start(slots=1, prefetch=0)
    blocker = await world.enqueue("wait")
    await world.begun(blocker)
    low = await world.enqueue("note", name="low", options=Options(priority=1))
    clock.time += 11.0
    urgent = [await world.enqueue("note", name="urgent") for _ in range(3)]

    world.gate.open()
    await world.completed(blocker, low, *urgent)

    [shown] = await ask(world.queue, GetQueues())
    assert shown.ageing_s == 10.0
    assert order == ["low", "urgent", "urgent", "urgent"]
