"""A task that nobody wants any more ends as cancelled, in whatever phase it is."""

import asyncio

import pytest

from taskqueue.actors.consumer.queue_link import QUEUE_RETRY_S
from taskqueue.actors.messages import QUEUE, CancelAttempt
from taskqueue.api.context import Context
from taskqueue.commands import CancelTask
from taskqueue.rules.options import Options
from taskqueue.rules.tasks import CancelAnswer, CancelResult
from taskqueue.runtime import ask, tell
from taskqueue.storage.protocol import Storage
from tests.actors.world import Gate, World


async def cancel(world: World, task_id: str, reason: str = "not wanted") -> CancelResult:
    return await ask(world.system.address(QUEUE), CancelTask(task_id=task_id, reason=reason))


async def seen(world: World, task_id: str) -> tuple[str, str | None, list[str]]:
    task = (await world.history(task_id)).task
    return str(task.status), task.reason, await world.outcomes(task_id)


async def test_a_task_that_waits_ends_at_once(world: World) -> None:
    await world.start()
    task_id = await world.enqueue("quick", options=Options(delay_s=3600))

    result = await cancel(world, task_id)

    assert result == CancelResult(
        task_id=task_id, answer=CancelAnswer.CANCELLED, action="quick", queue="default"
    )
    assert await seen(world, task_id) == ("cancelled", "not wanted", [])
    assert world.events.select("task_cancelled", task_id=task_id, reason="not wanted")
    assert world.runs == []


async def test_a_task_in_the_buffer_ends_without_running(world: World) -> None:
    await world.start()
    running, buffered = await world.enqueue("wait"), await world.enqueue("quick")
    await world.begun(running)
    await world.events.wait_for("attempt_started")
    async with asyncio.timeout(5):
        while (await world.history(buffered)).task.deliveries == 0:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)

    result = await cancel(world, buffered)
    await world.events.wait_for("task_cancelled", task_id=buffered)
    world.gate.open()
    await world.completed(running)

    assert result.answer == CancelAnswer.REQUESTED
    assert (await seen(world, buffered))[:2] == ("cancelled", "not wanted")
    assert world.runs == [running]


async def test_a_running_handler_is_cut(world: World) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    result = await cancel(world, task_id)
    await world.events.wait_for("task_cancelled", task_id=task_id)
    after = await world.enqueue("quick")
    await world.completed(after)

    assert result.answer == CancelAnswer.REQUESTED
    assert world.events.select("task_cancel_requested", task_id=task_id)
    assert await seen(world, task_id) == ("cancelled", "not wanted", ["cancelled"])


async def test_a_thread_is_left_alone_and_its_end_is_not_heard(world: World) -> None:
    @world.app.task("block")
    def block(ctx: Context) -> str:
        world.gate.block()
        return "too late"

    await world.start()
    task_id = await world.enqueue("block")
    await world.begun(task_id)

    await cancel(world, task_id)
    await world.events.wait_for("task_cancelled", task_id=task_id)
    world.gate.open()
    after = await world.enqueue("quick")
    await world.completed(after)

    assert await seen(world, task_id) == ("cancelled", "not wanted", ["cancelled"])


async def test_a_handler_that_ends_well_all_the_same_has_completed(world: World) -> None:
    @world.app.task("graceful")
    async def graceful(ctx: Context) -> str:
        try:
            await world.gate.passed()
        except asyncio.CancelledError:
            return "saved"
        return "waited"

    await world.start()
    task_id = await world.enqueue("graceful")
    await world.begun(task_id)

    await cancel(world, task_id)
    await world.completed(task_id)

    assert (await world.history(task_id)).task.result == '"saved"'


async def test_an_attempt_that_fails_after_the_wish_is_the_last(world: World) -> None:
    @world.app.task("fail")
    async def fail(ctx: Context) -> None:
        try:
            await world.gate.passed()
        except asyncio.CancelledError:
            raise OSError("cut in the middle") from None

    await world.start()
    task_id = await world.enqueue("fail")
    await world.begun(task_id)

    await cancel(world, task_id)
    await world.events.wait_for("task_cancelled", task_id=task_id)

    assert (await seen(world, task_id))[:2] == ("cancelled", "not wanted")


async def test_a_task_is_cancelled_before_a_blocked_consumer_has_begun_with_it(
    world: World,
) -> None:
    blocks = Gate()

    @world.app.task("block")
    async def block(ctx: Context) -> None:
        blocks.open()
        world.gate.block()

    await world.start(slots=2)
    blocking = await world.enqueue("block")
    await blocks.passed()
    task_id = await world.enqueue("quick")
    async with asyncio.timeout(5):
        while not (await world.history(task_id)).task.deliveries:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)

    await cancel(world, task_id)
    world.gate.open()
    await world.events.wait_for("task_cancelled", task_id=task_id)
    await world.completed(blocking)

    assert await seen(world, task_id) == ("cancelled", "not wanted", ["cancelled"])
    assert world.runs == []


async def test_a_handler_that_cleans_up_is_not_cut_again(world: World) -> None:
    cleans, clean = Gate(), Gate()

    @world.app.task("careful")
    async def careful(ctx: Context) -> None:
        try:
            await world.gate.passed()
        finally:
            cleans.open()
            await clean.passed()
            world.runs.append("cleaned up")

    await world.start(slots=2)
    task_id = await world.enqueue("careful")
    await world.begun(task_id)
    [held] = await world.storage.use(Storage.held, world.owner)

    await cancel(world, task_id)
    await cleans.passed()
    tell(world.consumers[0], CancelAttempt(token=held.token, reason="still not wanted"))
    after = await world.enqueue("quick")
    await world.completed(after)
    clean.open()
    await world.events.wait_for("task_cancelled", task_id=task_id)

    assert world.runs == [after, "cleaned up"]


async def test_a_task_is_cancelled_while_the_service_drains(world: World) -> None:
    await world.start(drain_s=30.0)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    stopping = asyncio.create_task(world.stop())
    await world.drains()
    await cancel(world, task_id)
    await asyncio.wait_for(stopping, 5)

    assert world.events.select("task_cancelled", task_id=task_id)


async def test_a_consumer_that_is_leaving_hears_of_it(world: World) -> None:
    await world.start(consumers=2, drain_s=30.0)
    tasks = [await world.enqueue("wait") for _ in range(2)]
    begun = {(await world.begun(task_id))["consumer"]: task_id for task_id in tasks}

    resizing = asyncio.create_task(world.resize(1))
    await cancel(world, begun["consumer-2"])
    await asyncio.wait_for(resizing, 5)

    assert world.events.select("task_cancelled", task_id=begun["consumer-2"])
    world.gate.open()
    await world.completed(begun["consumer-1"])


async def test_the_wish_outlives_the_queue_actor(world: World) -> None:
    await world.start(lease_s=0.3)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    queue = world.queue
    [result] = await world.storage.use(
        Storage.cancel, [task_id], reason="not wanted", now=0.0
    )  # as if the queue actor had died before it told the consumer

    queue.kill()
    await world.events.wait_for("task_cancelled", task_id=task_id)

    assert result.answer == CancelAnswer.REQUESTED
    assert await seen(world, task_id) == ("cancelled", "not wanted", ["cancelled"])


async def test_a_consumer_that_dies_before_it_hears_does_not_bring_the_task_back(
    world: World,
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    await world.storage.use(Storage.cancel, [task_id], reason="not wanted", now=0.0)

    world.consumers[0].kill()
    await world.events.wait_for("task_cancelled", task_id=task_id)
    after = await world.enqueue("quick")
    await world.completed(after)

    assert (await seen(world, task_id))[:2] == ("cancelled", "not wanted")
    assert world.events.select("task_requeued") == []
    assert world.runs == [task_id, after]


@pytest.mark.parametrize(("end", "answer"), [(True, "ended"), (False, "unknown")])
async def test_what_has_ended_or_never_was_is_left_alone(
    world: World, end: bool, answer: str
) -> None:
    await world.start()
    task_id = await world.enqueue("quick")
    await world.completed(task_id)

    result = await cancel(world, task_id if end else "0" * 36)

    assert str(result.answer) == answer
    assert (await world.history(task_id)).task.status == "completed"
    assert world.events.select("task_cancelled") == []


async def test_a_handler_that_cleans_up_is_not_cut_again_by_a_consumer_that_leaves(
    world: World,
) -> None:
    cleans, clean = Gate(), Gate()

    @world.app.task("careful")
    async def careful(ctx: Context) -> None:
        try:
            await world.gate.passed()
        finally:
            cleans.open()
            await clean.passed()
            world.runs.append("cleaned up")

    await world.start()
    task_id = await world.enqueue("careful")
    await world.begun(task_id)

    leaving = asyncio.create_task(world.resize(0))
    await cancel(world, task_id)
    await cleans.passed()
    await asyncio.wait([leaving], timeout=5 * QUEUE_RETRY_S)  # it is told several times
    clean.open()
    await world.events.wait_for("task_cancelled", task_id=task_id)
    await leaving

    assert world.runs == ["cleaned up"]
