"""Progress: what a running handler says of itself."""

import asyncio

from taskqueue.context import Context
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import World


async def progress_of(world: World, task_id: str, wanted: str) -> str | None:
    async with asyncio.timeout(5):
        while (progress := (await world.history(task_id)).task.progress) != wanted:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)
    return progress


async def test_the_latest_progress_of_a_running_task_can_be_seen(world: World) -> None:
    @world.app.task("work")
    async def work(ctx: Context) -> None:
        for done in range(100):
            ctx.progress({"done": done})
        await world.gate.passed()

    await world.start()
    task_id = await world.enqueue("work")

    assert await progress_of(world, task_id, '{"done":99}')


async def test_a_thread_reports_as_well(world: World) -> None:
    @world.app.task("work")
    def work(ctx: Context) -> None:
        ctx.progress(0.5)
        world.gate.block()

    await world.start()
    task_id = await world.enqueue("work")

    assert await progress_of(world, task_id, "0.5")


async def test_progress_that_cannot_be_written_costs_nothing(
    world: World, storage: FaultyStorage
) -> None:
    @world.app.task("work")
    async def work(ctx: Context) -> None:
        await world.gate.passed()
        ctx.progress("late")

    await world.start()
    task_id = await world.enqueue("work")
    await world.begun(task_id)

    storage.break_down()
    world.gate.open()
    await world.events.wait_for("progress_not_noted")
    storage.repair()
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["completed"]
