"""Named queues: consumers of their own, turns among those that share some, pause and resume."""

import asyncio

from taskqueue.actors.messages import QUEUE
from taskqueue.api.context import Context
from taskqueue.commands import GetQueues, Pause, Resume
from taskqueue.rules.health import QueueState
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, World


def with_queue(world: World, name: str) -> None:
    @world.app.task(name, queue=name)
    async def on_that_queue(ctx: Context) -> None:
        world.runs.append(name)

    @world.app.task(f"{name}-wait", queue=name)
    async def waits_on_that_queue(ctx: Context) -> None:
        world.runs.append(f"{name}-wait")
        await world.gate.passed()


async def queues(world: World) -> dict[str, QueueState]:
    return {state.name: state for state in await ask(world.system.address(QUEUE), GetQueues())}


async def test_a_queue_with_consumers_of_its_own_waits_for_nobody_else(world: World) -> None:
    with_queue(world, "mail")
    await world.start(queues={"mail": 1})
    long = await world.enqueue("wait")
    await world.begun(long)

    mail = await world.enqueue("mail")
    await world.completed(mail)
    started = await world.begun(mail)
    world.gate.open()
    await world.completed(long)

    assert started["consumer"] == "consumer-mail-1"
    assert (await world.begun(long))["consumer"] == "consumer-1"


async def test_its_consumers_do_nothing_else(world: World) -> None:
    with_queue(world, "mail")
    await world.start(queues={"mail": 1})
    tasks = [await world.enqueue("quick") for _ in range(5)]
    await world.completed(*tasks)

    consumers = {(await world.begun(task_id))["consumer"] for task_id in tasks}

    assert consumers == {"consumer-1"}


async def test_queues_that_share_consumers_take_turns(world: World) -> None:
    with_queue(world, "mail")
    await world.start(consumers=1, prefetch=10)
    blocking = await world.enqueue("wait")
    await world.begun(blocking)
    many = [await world.enqueue("quick") for _ in range(8)]
    few = [await world.enqueue("mail") for _ in range(2)]
    async with asyncio.timeout(5):
        while (await world.history(few[-1])).task.deliveries == 0:  # noqa: ASYNC110 - a row's change is no event
            await asyncio.sleep(0.01)

    world.gate.open()
    await world.completed(*many, *few)

    order = [each["task_id"] for each in world.events.select("attempt_started")]
    assert max(order.index(task_id) for task_id in few) <= 4


async def test_nothing_of_a_paused_queue_begins_until_it_is_resumed(world: World) -> None:
    with_queue(world, "mail")
    await world.start(consumers=1)
    running = await world.enqueue("mail-wait")
    await world.begun(running)
    buffered = await world.enqueue("mail")

    await ask(world.system.address(QUEUE), Pause(queue="mail"))
    paused = (await queues(world))["mail"]
    late = await world.enqueue("mail")
    world.gate.open()
    await world.completed(running)
    other = await world.enqueue("quick")
    await world.completed(other)
    begun = list(world.runs)
    await ask(world.system.address(QUEUE), Resume(queue="mail"))
    await world.completed(buffered, late)

    assert paused.paused_at is not None
    assert begun == ["mail-wait", other]
    assert (await queues(world))["mail"].paused_at is None
    assert (await world.history(buffered)).task.attempt == 1


async def test_a_queue_stays_paused_when_the_queue_actor_is_restarted(world: World) -> None:
    await world.start()
    await ask(world.system.address(QUEUE), Pause(queue="default"))
    task_id = await world.enqueue("quick")

    world.queue.kill()
    await world.events.wait_for("queue_ready", nth=2)
    state = (await queues(world))["default"]
    await ask(world.system.address(QUEUE), Resume(queue="default"))
    await world.completed(task_id)

    assert state.paused_at is not None
    assert state.consumers == 1


async def test_tasks_that_came_past_the_service_are_found(world: World) -> None:
    await world.start()
    task = world.prepare("quick")

    await world.storage.use(
        Storage.insert, [task], now=NOW
    )  # as another process does on a connection of its own
    await world.completed(task.id)

    assert world.runs == [task.id]


async def test_an_idle_service_asks_the_storage_as_often_for_many_queues_as_for_one(
    world: World, storage: FaultyStorage
) -> None:
    for number in range(300):

        @world.app.task(f"mail-{number}", queue=f"mails-{number}")
        async def mail(ctx: Context) -> None: ...

    await world.start(lease_s=0.6)  # held, extended and looked for every 0.2 s
    await storage.called("extend")

    before = len(storage.calls)
    await storage.called("extend", times=3)
    asked = len(storage.calls) - before

    assert asked < 50
    await world.completed(await world.enqueue("mail-299"))
