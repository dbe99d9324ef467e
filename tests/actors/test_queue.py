"""The queue: accepts, claims, hands out."""

import asyncio

import pytest

from taskqueue.actors.messages import QUEUE
from taskqueue.api.context import Context
from taskqueue.commands import Enqueue, Redrive, Resume
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, Gate, ManualClock, World


async def test_an_enqueue_is_answered_after_its_commit_and_not_before(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    commit = storage.hold_answers("insert")

    answer = asyncio.create_task(world.enqueue("quick"))
    await commit.reached()
    waited = not answer.done()
    commit.release()
    task_id = await answer

    assert waited
    await world.completed(task_id)


async def test_enqueues_that_come_during_a_commit_share_the_next(
    world: World, storage: FaultyStorage
) -> None:
    await world.start(consumers=0)
    commit = storage.hold("insert")
    first = asyncio.create_task(world.enqueue("quick"))
    await commit.reached()

    others = [asyncio.create_task(world.enqueue("quick")) for _ in range(10)]
    await world.readiness()  # they are there by now
    commit.release()
    await asyncio.gather(first, *others)

    assert storage.calls.count("insert") == 2


async def test_an_enqueue_of_nothing_is_harmless(world: World) -> None:
    await world.start()
    queue = world.queue

    await ask(world.system.address(QUEUE), Enqueue(tasks=()))

    await world.completed(await world.enqueue("quick"))
    assert world.queue is queue


async def test_an_enqueue_that_cannot_be_written_is_refused(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    storage.fail_next("insert", StorageUnavailable("disk full"))

    with pytest.raises(StorageUnavailable, match="disk full"):
        await world.enqueue("quick")


async def test_a_task_that_comes_during_an_empty_claim_is_not_forgotten(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    for _ in range(50):
        claim = storage.hold_answers("claim")
        await ask(world.system.address(QUEUE), Resume(queue="default"))  # so it looks for tasks
        await claim.reached()

        task_id = await world.enqueue("quick")
        claim.release()

        await world.completed(task_id)


async def test_no_wake_up_is_lost_however_they_fall(world: World) -> None:
    await world.start(consumers=2)

    for turn in range(300):
        task_id = await world.enqueue("quick")
        for _ in range(turn % 7):
            await asyncio.sleep(0)
        await world.completed(task_id, await world.enqueue("quick"))


async def test_a_scheduled_task_is_claimed_when_it_is_due(world: World) -> None:
    await world.start()

    later = await world.enqueue("quick", options=Options(delay_s=0.2))
    soon = await world.enqueue("quick", options=Options(delay_s=0.05))
    at_once = await world.enqueue("quick")
    await world.completed(later)

    assert world.runs == [at_once, soon, later]
    assert world.events.select("task_requeued") == []


async def test_a_task_that_is_due_because_the_clock_was_set_is_found(world: World) -> None:
    clock = world.clock = ManualClock()
    await world.start(lease_s=0.15)
    task_id = await world.enqueue("quick", options=Options(run_at=NOW + 3600))

    clock.time += 3600

    await world.completed(task_id)


async def test_short_tasks_are_not_kept_behind_a_long_one(world: World) -> None:
    await world.start(consumers=2)
    long = await world.enqueue("wait")
    await world.begun(long)

    short = [await world.enqueue("quick", n=n) for n in range(20)]

    await world.completed(*short)
    assert world.events.select("task_completed", task_id=long) == []
    world.gate.open()
    await world.completed(long)


async def test_no_consumer_gets_more_than_its_slots(world: World) -> None:
    running, most = 0, 0

    @world.app.task("count")
    async def count(ctx: Context) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    await world.start(consumers=1, slots=3)

    await world.completed(*[await world.enqueue("count") for _ in range(30)])

    assert most == 3


@pytest.mark.parametrize("prefetch", [0, 1, 5])
async def test_everything_is_done_whatever_the_prefetch(world: World, prefetch: int) -> None:
    await world.start(consumers=2, slots=2, prefetch=prefetch)

    await world.completed(*[await world.enqueue("quick") for _ in range(50)])

    assert len(world.runs) == 50


async def test_without_prefetch_nothing_is_claimed_that_cannot_run(world: World) -> None:
    await world.start(prefetch=0)
    running, waiting = [await world.enqueue("wait") for _ in range(2)]
    await world.begun(running)

    await world.readiness()

    assert (await world.history(waiting)).task.attempt == 0


async def test_an_urgent_task_overtakes_all_but_what_is_buffered(world: World) -> None:
    await world.start(prefetch=1)
    running = await world.enqueue("wait")
    await world.begun(running)
    buffered, waiting = [
        await world.enqueue("quick", options=Options(priority=5)) for _ in range(2)
    ]
    async with asyncio.timeout(5):
        while (await world.history(buffered)).task.deliveries == 0:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)

    urgent = await world.enqueue("quick", options=Options(priority=0))
    world.gate.open()
    await world.completed(buffered, waiting, urgent)

    assert world.runs == [running, buffered, urgent, waiting]


async def test_without_consumers_tasks_are_accepted_and_left_alone(world: World) -> None:
    await world.start(consumers=0)

    task_id = await world.enqueue("quick")
    await world.readiness()

    task = (await world.history(task_id)).task
    assert (task.status, task.attempt, task.deliveries) == ("queued", 0, 0)


async def test_all_queues_of_the_app_are_served(world: World) -> None:
    @world.app.task("mail", queue="mails")
    async def mail(ctx: Context) -> None: ...

    await world.start()

    await world.completed(await world.enqueue("mail"), await world.enqueue("quick"))


async def test_what_was_claimed_from_one_queue_is_not_lost_when_the_next_one_fails(
    world: World, storage: FaultyStorage
) -> None:
    @world.app.task("mail", queue="mails")  # served after `default`
    async def mail(ctx: Context) -> None: ...

    await world.start(consumers=0)
    first, second = await world.enqueue("quick"), await world.enqueue("mail")
    claims = storage.hold_answers("claim")
    await world.resize(1)
    await claims.reached()  # of `default`

    storage.fail_next("claim", StorageUnavailable("lost"))  # of `mails`
    claims.release()

    await world.completed(first, second)
    assert await world.outcomes(first) == ["completed"]


async def test_a_dead_task_that_is_redriven_runs_again_with_all_its_attempts(world: World) -> None:
    @world.app.task("hopeless", max_attempts=1)
    async def hopeless(ctx: Context) -> bool | None:
        return len(world.events.select("attempt_started")) > 1

    await world.start()
    task_id = await world.enqueue("hopeless")
    await world.events.wait_for("task_dead_lettered", task_id=task_id)

    redriven = await ask(world.queue, Redrive(task_ids=(task_id, "unknown")))
    await world.completed(task_id)

    assert redriven == (task_id,)
    assert await world.outcomes(task_id) == ["failed", "completed"]


async def test_readiness_follows_the_storage(world: World, storage: FaultyStorage) -> None:
    await world.start()
    before = await world.readiness()

    storage.break_down("no disk")
    with pytest.raises(StorageUnavailable):
        await world.enqueue("quick")
    during = await world.readiness()
    storage.repair()
    await world.events.wait_for("storage_ready", nth=2)
    after = await world.readiness()

    assert (before.ready, during.ready, during.reason, after.ready) == (
        True,
        False,
        "no disk",
        True,
    )


async def test_a_handler_that_blocks_its_consumer_leaves_the_others_alone(world: World) -> None:
    gate = Gate()

    @world.app.task("block")
    async def block(ctx: Context) -> None:
        gate.block()

    await world.start(consumers=2)
    blocked = await world.enqueue("block")
    await world.begun(blocked)

    await world.completed(*[await world.enqueue("quick") for _ in range(10)])

    gate.open()
    await world.completed(blocked)
