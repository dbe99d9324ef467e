"""What is published about a task, for the log and for event streams."""

import pytest

from taskqueue.api.context import Context
from taskqueue.events import Buffer, Event, events
from taskqueue.rules.options import Options
from tests.actors.world import World


def about(happened: list[Event], task_id: str) -> list[Event]:
    return [event for event in happened if event.fields.get("task_id") == task_id]


async def test_the_life_of_a_task_is_published_in_order_with_its_queue(world: World) -> None:
    @world.app.task("work", queue="default")
    async def work(ctx: Context) -> None:
        ctx.progress({"done": 1})
        await world.gate.passed()

    await world.start()
    with events.subscribed(Buffer(1_000)) as buffer:
        task_id = await world.enqueue("work")
        await world.begun(task_id)
        happened = buffer.take()
        while not any(event.name == "task_progress" for event in happened):
            happened += await buffer.next()
        world.gate.open()
        await world.completed(task_id)
        happened += buffer.take()

    lived = about(happened, task_id)
    assert [event.name for event in lived] == [
        "task_enqueued",
        "attempt_started",
        "task_progress",
        "task_completed",
    ]
    assert {event.fields["queue"] for event in lived} == {"default"}
    assert lived[2].fields["progress"] == {"done": 1}


async def test_large_progress_is_published_without_its_value(world: World) -> None:
    @world.app.task("work")
    async def work(ctx: Context) -> None:
        ctx.progress("x" * 5_000)
        await world.gate.passed()

    await world.start()
    with events.subscribed(Buffer(1_000)) as buffer:
        task_id = await world.enqueue("work")
        found = list[Event]()
        while not found:
            found = [event for event in await buffer.next() if event.name == "task_progress"]
        world.gate.open()
        await world.completed(task_id)

    assert found[0].fields["progress"] is None


@pytest.mark.parametrize("delay_s", [0.0, 3600.0])
async def test_a_task_that_is_enqueued_twice_is_published_once(
    world: World, delay_s: float
) -> None:
    await world.start()
    options = Options(unique_key="once", delay_s=delay_s)
    with events.subscribed(Buffer(1_000)) as buffer:
        for _ in range(2):
            await world.enqueue("quick", options=options)
        happened = buffer.take()

    enqueued = [event for event in happened if event.name == "task_enqueued"]
    assert len(enqueued) == 1
