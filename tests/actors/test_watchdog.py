"""The watch: whoever keeps a loop from turning is named, with the line."""

import asyncio
import time

from taskqueue.actors.watchdog import WatchdogActor
from taskqueue.api.context import Context
from taskqueue.rules.measures import LoopMeasures
from taskqueue.supervision import terminate_child
from tests.actors import world as world_of_tests
from tests.actors.world import World


async def watch(world: World, **limits: float) -> LoopMeasures:
    """Have the watchdog of the test, not that of the service; return what it measures."""
    measures = LoopMeasures()
    await terminate_child(world.root, "watchdog")
    await world.system.spawn(WatchdogActor, measures=measures, **limits)
    return measures


async def test_a_handler_that_blocks_its_consumer_is_told_of_with_its_line(world: World) -> None:
    @world.app.task("block")
    async def block(ctx: Context) -> None:
        world.gate.block()  # as an `async def` should not

    await world.start(consumers=2)
    measures = await watch(world, period_s=0.01, blocked_s=0.05)
    task_id = await world.enqueue("block")

    told = await world.events.wait_for("consumer_blocked")
    while not measures.blocked:  # noqa: ASYNC110 - it is measured in the same turn as it is told
        await asyncio.sleep(0)
    blocked = measures.blocked
    other = await world.enqueue("quick")
    await world.completed(other)
    world.gate.open()
    await world.events.wait_for("consumer_unblocked", consumer=told["consumer"])
    await world.completed(task_id)
    while measures.blocked:  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)

    [(name, loop)] = blocked.items()
    assert name == told["consumer"]
    assert loop.for_s >= 0.05
    assert loop.line is not None  # the innermost of the test's own: `Gate.block`
    assert (loop.line.file, loop.line.function) == (world_of_tests.__file__, "block")
    path, _, rest = told["handler"].rpartition(":")
    assert told["consumer"] == (await world.begun(task_id))["consumer"]
    assert told["for_s"] >= 0.05
    assert path == __file__
    assert rest.endswith(" in block")
    assert len(world.events.select("consumer_blocked")) == 1
    assert await world.outcomes(task_id) == ["completed"]


async def test_a_loop_that_is_late_is_told_of_with_the_handlers_in_threads(world: World) -> None:
    @world.app.task("compute")
    def compute(ctx: Context) -> None:
        world.gate.block()

    await world.start()
    await watch(world, period_s=0.01, lagged_s=0.05)
    task_id = await world.enqueue("compute")
    await world.begun(task_id)

    time.sleep(0.1)  # noqa: ASYNC251 - this loop is the one that is watched
    told = await world.events.wait_for("loop_lagged")
    world.gate.open()
    await world.completed(task_id)

    assert told["late_s"] >= 0.05
    assert [where.rpartition(" ")[2] for where in told["handlers"]] == ["compute"]


async def test_an_idle_consumer_is_not_told_of(world: World) -> None:
    await world.start(consumers=2)
    await watch(world, period_s=0.001, blocked_s=5.0)

    tasks = [await world.enqueue("quick") for _ in range(20)]
    await world.completed(*tasks)

    assert world.events.select("consumer_blocked") == []
