"""A handler that cannot be stopped keeps the slots of its limits until it ends."""

import asyncio

import pytest

from taskqueue import Context, Limit
from taskqueue.actors.messages import QUEUE
from taskqueue.commands import CancelTask
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from tests.actors.world import PATIENCE_S, Gate, World

ONE = Limit(running=1, name="single")


@pytest.fixture
def blocking() -> Gate:
    """Return what opens once a handler blocks in a thread."""
    return Gate()


@pytest.fixture(autouse=True)
def actions(world: World, blocking: Gate) -> None:
    """Add two that block one at a time: in a thread, and on the loop of their consumer."""

    @world.app.task("thread", limit=ONE)
    def in_thread(ctx: Context) -> None:
        world.runs.append(ctx.task.id)
        blocking.open()
        world.gate.block()

    @world.app.task("loop", limit=ONE)
    async def on_loop(ctx: Context) -> None:
        world.runs.append(ctx.task.id)
        world.gate.block()


async def run_on(world: World, task_id: str, times: int = 1) -> None:
    """Wait until its slots are kept, and something else has run since."""
    await world.events.wait_for("handler_runs_on", task_id=task_id, nth=times)
    await world.completed(await world.enqueue("quick"))


async def test_the_thread_of_a_cancelled_task_keeps_its_slot_until_it_ends(world: World) -> None:
    await world.start(slots=4)
    first, second = [await world.enqueue("thread") for _ in range(2)]
    await world.begun(first)

    await ask(world.system.address(QUEUE), CancelTask(task_id=first, reason="unwanted"))
    await run_on(world, first)

    assert second not in world.runs
    assert (await world.history(first)).task.status == "running"
    world.gate.open()
    await world.events.wait_for("task_cancelled", task_id=first)
    await world.completed(second)


@pytest.mark.parametrize("action", ["thread", "loop"])
async def test_a_handler_that_outlives_its_consumer_keeps_its_slot_until_it_ends(
    world: World, action: str
) -> None:
    await world.start(slots=4)
    first, second = [await world.enqueue(action) for _ in range(2)]
    await world.begun(first)
    [consumer] = world.consumers

    consumer.kill()
    await run_on(world, first)

    assert world.runs.count(first) == 1
    assert second not in world.runs
    world.gate.open()
    await world.completed(first, second)
    assert (await world.outcomes(first)) == ["crashed", "completed"]


async def test_it_does_so_although_the_queue_actor_ends_as_well(world: World) -> None:
    await world.start(slots=4)
    first, second = [await world.enqueue("thread") for _ in range(2)]
    await world.begun(first)
    [consumer] = world.consumers
    consumer.kill()
    await run_on(world, first)

    world.queue.kill()
    await run_on(world, first, times=2)

    assert world.runs.count(first) == 1
    assert second not in world.runs
    world.gate.open()
    await world.completed(first, second)


async def test_its_outcome_outlives_the_queue_actor(world: World, blocking: Gate) -> None:
    await world.start(slots=4)
    stuck = await world.enqueue("thread", options=Options(max_attempts=1))
    # Of a last attempt the start is written before its handler is called.
    await blocking.passed()
    await ask(world.system.address(QUEUE), CancelTask(task_id=stuck, reason="unwanted"))
    await run_on(world, stuck)

    world.queue.kill()
    await run_on(world, stuck, times=2)
    world.gate.open()

    await world.events.wait_for("task_cancelled", task_id=stuck)
    assert await world.outcomes(stuck) == ["cancelled"]


async def test_other_outcomes_of_its_consumer_are_written_meanwhile(world: World) -> None:
    await world.start(slots=4)
    stuck = [await world.enqueue("thread")]
    await world.begun(stuck[0])
    await ask(world.system.address(QUEUE), CancelTask(task_id=stuck[0], reason="unwanted"))
    await run_on(world, stuck[0])

    ids = [await world.enqueue("quick") for _ in range(20)]

    await world.completed(*ids)


async def test_a_stop_of_the_service_does_not_wait_for_it(world: World) -> None:
    await world.start()
    stuck = await world.enqueue("thread")
    await world.begun(stuck)
    await ask(world.system.address(QUEUE), CancelTask(task_id=stuck, reason="unwanted"))
    await run_on(world, stuck)

    async with asyncio.timeout(PATIENCE_S):
        assert await world.stop(drain_s=0.0)

    assert world.events.select("task_cancelled", task_id=stuck)


async def test_a_task_without_limits_is_settled_at_once(world: World) -> None:
    @world.app.task("free")
    def free(ctx: Context) -> None:
        world.gate.block()

    await world.start()
    stuck = await world.enqueue("free")
    await world.begun(stuck)

    await ask(world.system.address(QUEUE), CancelTask(task_id=stuck, reason="unwanted"))

    await world.events.wait_for("task_cancelled", task_id=stuck)
    assert not world.events.select("handler_runs_on")
