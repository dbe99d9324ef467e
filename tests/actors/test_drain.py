"""A stop: what runs may end, what does not end is cut, all else goes back as if never claimed."""

import asyncio
import time

import pytest

from taskqueue import supervisor
from taskqueue.actors.consumer import actor as consumer
from taskqueue.actors.messages import QUEUE, Drain
from taskqueue.actors.queue import actor as queue
from taskqueue.api.context import Context
from taskqueue.rules.tasks import TaskHistory
from taskqueue.runtime import ask, suspend
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, Gate, World


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled handler may take 50 ms to notice, and the queue actor 1 s to stop."""
    monkeypatch.setattr(supervisor, "QUEUE_LIMIT_S", 1.0)
    for module in (consumer, queue):
        monkeypatch.setattr(module, "CANCEL_GRACE_S", 0.05)


async def left(storage: FaultyStorage, task_id: str) -> TaskHistory:
    """Return what a stopped service has left of a task."""
    await storage.inner.open()
    history = await storage.inner.get(task_id, now=NOW)
    assert history is not None
    return history


def seen(history: TaskHistory) -> tuple[str, int, list[str]]:
    return (
        str(history.task.status),
        history.task.attempt,
        [str(each.outcome) for each in history.attempts],
    )


async def test_the_buffer_goes_back_with_its_attempts(world: World, storage: FaultyStorage) -> None:
    await world.start()
    running = await world.enqueue("wait")
    await world.begun(running)
    waiting = [await world.enqueue("quick") for _ in range(3)]

    stopping = asyncio.create_task(world.stop())
    await world.events.wait_for("task_handed_back", task_id=waiting[-1])
    world.gate.open()
    await stopping

    assert seen(await left(storage, running)) == ("completed", 1, ["completed"])
    for task_id in waiting:
        assert seen(await left(storage, task_id)) == ("queued", 0, [])
    assert world.runs == [running]


async def test_a_handler_that_does_not_end_in_time_is_cut_and_costs_no_attempt(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    await world.stop(drain_s=0.05)

    assert seen(await left(storage, task_id)) == ("queued", 0, ["interrupted"])


async def test_all_consumers_have_one_deadline(world: World, storage: FaultyStorage) -> None:
    await world.start(consumers=4)
    tasks = [await world.enqueue("wait") for _ in range(4)]
    for task_id in tasks:
        await world.begun(task_id)

    started = time.monotonic()
    await world.stop(drain_s=0.3)

    assert time.monotonic() - started < 0.9  # the sum would be 1.2
    for task_id in tasks:
        assert seen(await left(storage, task_id)) == ("queued", 0, ["interrupted"])


@pytest.mark.usefixtures("_impatient")
async def test_a_handler_that_swallows_its_cancellation_holds_nothing_up(
    world: World, storage: FaultyStorage
) -> None:
    @world.app.task("stubborn")
    async def stubborn(ctx: Context) -> None:
        while True:
            try:
                return await world.gate.passed()
            except asyncio.CancelledError:
                continue

    await world.start()
    task_id = await world.enqueue("stubborn")
    await world.begun(task_id)

    started = time.monotonic()
    stopping = asyncio.create_task(world.stop(drain_s=0.05))
    await asyncio.wait([stopping], timeout=3)
    world.gate.open()

    assert stopping.done()
    assert time.monotonic() - started < 2
    assert seen(await left(storage, task_id)) == ("queued", 0, ["interrupted"])


async def test_a_handler_that_ends_well_when_it_is_cut_has_completed(
    world: World, storage: FaultyStorage
) -> None:
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

    await world.stop(drain_s=0.05)

    history = await left(storage, task_id)
    assert seen(history) == ("completed", 1, ["completed"])
    assert history.task.result == '"saved"'


async def test_a_thread_that_outlives_the_drain_is_left_behind(
    world: World, storage: FaultyStorage
) -> None:
    gate = Gate()

    @world.app.task("thread")
    def thread(ctx: Context) -> None:
        gate.block()

    await world.start()
    task_id = await world.enqueue("thread")
    await world.begun(task_id)

    await world.stop(drain_s=0.05)
    after = seen(await left(storage, task_id))
    gate.open()

    assert after == ("queued", 0, ["interrupted"])


@pytest.mark.usefixtures("_impatient")
async def test_consumers_that_are_blocked_are_killed_together(
    world: World, storage: FaultyStorage
) -> None:
    gate = Gate()

    @world.app.task("block")
    async def block(ctx: Context) -> None:
        gate.block()

    await world.start(consumers=3, drain_s=1.0)
    tasks = [await world.enqueue("block") for _ in range(3)]
    for task_id in tasks:
        await world.begun(task_id)

    started = time.monotonic()
    await world.stop(drain_s=0.1)
    took_s = time.monotonic() - started
    gate.open()

    assert took_s < 1.0  # each alone has 5 s
    for task_id in tasks:
        assert seen(await left(storage, task_id)) == ("queued", 0, ["interrupted"])


async def test_what_is_just_being_claimed_goes_back(world: World, storage: FaultyStorage) -> None:
    await world.start(consumers=0)
    task_id = await world.enqueue("quick")
    claimed = storage.hold_answers("claim")
    await world.resize(1)
    await claimed.reached()

    stopping = asyncio.create_task(world.stop())
    await world.events.wait_for("child_stopped", child_id="consumers")
    claimed.release()
    await stopping

    assert seen(await left(storage, task_id)) == ("queued", 0, [])
    assert world.runs == []


async def test_nothing_is_handed_out_once_the_stop_has_begun(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=2)
    first = await world.enqueue("wait")
    await world.begun(first)

    stopping = asyncio.create_task(world.stop())
    await world.drains()
    late = await world.enqueue("quick")
    world.gate.open()
    await stopping

    assert seen(await left(storage, late)) == ("queued", 0, [])


@pytest.mark.usefixtures("_impatient")
async def test_a_stop_during_an_outage_ends(world: World, storage: FaultyStorage) -> None:
    await world.start()
    task_id = await world.enqueue("wait")
    await world.begun(task_id)
    storage.break_down()
    world.gate.open()

    started = time.monotonic()
    await world.stop(drain_s=0.1)

    assert time.monotonic() - started < 3
    assert world.runs == [task_id]


async def test_a_crash_during_the_drain_is_still_a_crash(
    world: World, storage: FaultyStorage
) -> None:
    @world.app.task("bomb")
    async def bomb(ctx: Context) -> None:
        await world.gate.passed()
        raise SystemExit(1)

    await world.start()
    task_id = await world.enqueue("bomb")
    await world.begun(task_id)

    stopping = asyncio.create_task(world.stop())
    await asyncio.sleep(0)
    world.gate.open()
    await stopping

    assert seen(await left(storage, task_id)) == ("retrying", 1, ["crashed"])


async def test_a_queue_that_has_just_begun_waits_for_what_a_blocked_consumer_runs(
    world: World,
) -> None:
    blocks = Gate()

    @world.app.task("block")
    async def block(ctx: Context) -> None:
        blocks.open()
        world.gate.block()

    await world.start()
    task_id = await world.enqueue("block")
    await blocks.passed()
    await (await world.absent(QUEUE)).over()
    async with asyncio.timeout(5):
        while world.system.address(QUEUE).whereis() is None:  # noqa: ASYNC110 - a name is no event
            await asyncio.sleep(0.01)

    deadline = time.monotonic() + 30
    draining = asyncio.create_task(ask(world.queue, Drain(deadline=deadline), timeout_s=None))
    await asyncio.wait([draining], timeout=0.1)
    too_early = draining.done()
    world.gate.open()
    await asyncio.wait_for(draining, 5)
    await world.completed(task_id)

    assert not too_early


@pytest.mark.usefixtures("_impatient")
async def test_idle_consumers_are_left_in_peace_while_the_door_closes(world: World) -> None:
    await world.start(consumers=2)
    idle = world.consumers

    await ask(world.queue, Drain(deadline=time.monotonic()))
    await asyncio.sleep(0.3)  # three times as long as a deaf one is given

    assert world.consumers == idle
    assert world.events.select("child_restarted") == []


async def test_a_queue_that_does_not_answer_holds_up_no_stop_in_a_hurry(world: World) -> None:
    await world.start(consumers=0, drain_s=30.0)
    await suspend(world.queue)

    stopping = asyncio.create_task(world.stop())
    await world.events.wait_for("service_stopping")
    stopping.cancel()
    await asyncio.wait([stopping], timeout=4)

    assert stopping.cancelled()
    assert world.root.exit_reason is not None


async def test_a_tree_that_gives_up_meanwhile_ends_the_stop(world: World) -> None:
    await world.start(drain_s=30.0)
    task_id = await world.enqueue("wait")
    await world.begun(task_id)

    stopping = asyncio.create_task(world.stop())
    await world.drains()
    world.root.kill()

    assert await asyncio.wait_for(stopping, 5) is False
