"""Races between the queue actor, its consumers and the storage, one by one.

Each test stands for one guard: without it, the test fails.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from taskqueue.actors.messages import QUEUE, Drain
from taskqueue.actors.queue import fetcher
from taskqueue.actors.queue.actor import QueueActor
from taskqueue.api.context import Context
from taskqueue.commands import GetQueues
from taskqueue.rules.tasks import Status
from taskqueue.runtime import ActorRef, ask, process_info
from taskqueue.testing import faults
from taskqueue.testing.faults import Frozen
from taskqueue.testing.storage import FaultyStorage, Hold
from tests.actors.world import Gate, World

ONLY = "consumers/consumer-1"


@pytest.fixture(autouse=True)
def _short_wait_for_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "REGISTRATION_S", 0.05)


Freeze = Callable[[str], Awaitable[Frozen]]


@pytest.fixture
async def freeze(world: World) -> AsyncIterator[Freeze]:
    """Freezes the consumer at a path, for the rest of the test at most."""
    frozen: list[Frozen] = []

    async def freeze(path: str) -> Frozen:
        frozen.append(await faults.freeze(world.system, path))
        return frozen[-1]

    yield freeze
    world.gate.open()
    for each in frozen:
        each.thaw()


async def replace_queue(world: World) -> None:
    """Kill the queue actor; its successor starts."""
    absence = await world.absent(QUEUE)
    await absence.over()


async def started(world: World, storage: FaultyStorage) -> str:
    """Have a consumer run a task whose start is noted."""
    await world.start()
    task_id = await world.enqueue("wait")
    async with asyncio.timeout(5):
        while (await world.history(task_id)).task.status != Status.RUNNING:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
    await storage.idle()
    return task_id


async def with_silent_consumer(world: World, freeze: Freeze) -> Frozen:
    """Replace the queue actor while the consumer is unable to register with the next one."""
    frozen = await freeze(ONLY)
    await replace_queue(world)
    await world.events.wait_for("queue_ready", nth=2)
    return frozen


async def with_late_answer(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> tuple[Frozen, Hold]:
    """Have the search for orphans wait for its answer while a consumer is still silent."""
    frozen = await freeze(ONLY)
    held = storage.hold_answers("held")
    await replace_queue(world)
    await held.reached()
    return frozen, held


async def registered(world: World) -> None:
    """Wait until the queue actor knows a consumer."""
    async with asyncio.timeout(5):
        while not sum(q.consumers for q in await ask(world.queue, GetQueues())):  # noqa: ASYNC110 - asked, not told
            await asyncio.sleep(0.01)


async def received(ref: ActorRef, messages: int) -> None:
    """Wait until so many messages wait in the mailbox."""
    async with asyncio.timeout(5):
        while (info := process_info(ref)) is not None and info.mailbox < messages:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


async def test_an_attempt_whose_consumer_registers_during_a_search_is_no_orphan(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> None:
    task_id = await started(world, storage)
    frozen, held = await with_late_answer(world, storage, freeze)

    frozen.thaw()
    await registered(world)
    held.release()
    await world.events.wait_for("queue_ready", nth=2)
    world.gate.open()
    await world.completed(task_id)

    assert world.runs == [task_id]
    assert world.events.select("task_rescued") == []


async def test_an_attempt_that_is_reported_and_settled_during_a_search_is_no_orphan(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> None:
    task_id = await started(world, storage)
    frozen, held = await with_late_answer(world, storage, freeze)

    world.gate.open()
    frozen.thaw()
    await world.completed(task_id)
    held.release()
    await world.events.wait_for("queue_ready", nth=2)

    assert world.events.select("task_rescued") == []
    assert world.events.select("task_lease_lost") == []


async def test_a_task_offered_to_a_blocked_consumer_is_taken_by_another_one(
    world: World, freeze: Freeze
) -> None:
    await world.start(consumers=2, slots=2)
    running = await world.enqueue("wait")
    busy = (await world.begun(running))["consumer"]
    [idle] = {"consumer-1", "consumer-2"} - {busy}
    await freeze(f"consumers/{idle}")  # which has more free slots, so it is woken first

    task_id = await world.enqueue("quick")

    await world.completed(task_id)


async def test_what_a_consumer_ran_that_ends_before_it_registers_is_rescued_at_once(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> None:
    task_id = await started(world, storage)
    await with_silent_consumer(world, freeze)

    await faults.kill(world.system, ONLY)
    await world.begun(task_id, attempt=2)  # long before leases are extended
    world.gate.open()
    await world.completed(task_id)

    assert await world.outcomes(task_id) == ["crashed", "completed"]


async def test_a_drain_does_not_wait_for_a_consumer_that_ended_before_it_registered(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> None:
    await started(world, storage)
    await with_silent_consumer(world, freeze)
    deadline = asyncio.get_running_loop().time() + 60
    drain = asyncio.create_task(ask(world.queue, Drain(deadline=deadline), timeout_s=None))
    await world.drains()
    too_early = drain.done()

    await faults.kill(world.system, ONLY)
    await asyncio.wait_for(drain, 5)

    assert not too_early


async def test_a_slot_is_free_whose_outcome_the_previous_queue_actor_wrote(
    world: World, storage: FaultyStorage, freeze: Freeze
) -> None:
    await world.start(prefetch=0)  # so nothing is claimed for a slot that is busy
    settle = storage.hold("settle")
    first = await world.enqueue("quick", n=1)
    await settle.reached()
    [ref] = world.consumers
    frozen = await freeze(ONLY)
    # As when an attempt in another slot reports, just then: this comes before the answer.
    consumer = ref._actor_weakref()
    ref.cell.host.post(consumer._queue.find)
    settle.release()
    await world.completed(first)
    await world.readiness()  # the answer is on its way to the consumer

    world.queue.kill()
    await world.events.wait_for("child_restarted", child_id="queue")
    frozen.thaw()  # now it reads the answer, and that there is a new queue actor
    second = await world.enqueue("quick", n=2)
    await world.completed(second)

    assert world.runs == [first, second]


async def test_a_consumer_that_ended_before_it_was_monitored_is_settled_for_by_its_reason(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attempt that took it down has crashed, its neighbour is merely interrupted."""
    quick, crash, begin = Gate(), Gate(), asyncio.Event()

    @world.app.task("report")
    async def report(ctx: Context) -> None:
        await quick.passed()

    @world.app.task("crash")
    async def crash_once(ctx: Context) -> None:
        if ctx.attempt == 1:
            await crash.passed()
            raise SystemExit(1)

    await world.start(slots=3)
    reporting, crashing, neighbour = [
        await world.enqueue(each) for each in ("report", "crash", "wait")
    ]
    for task_id in (reporting, crashing, neighbour):
        await world.begun(task_id)
    [consumer] = world.consumers
    on_start = QueueActor.on_start

    async def late(queue: QueueActor) -> None:
        await begin.wait()
        await on_start(queue)

    monkeypatch.setattr(QueueActor, "on_start", late)
    await replace_queue(world)
    quick.open()
    await received(world.queue, 2)  # the registration and the report
    crash.open()
    await consumer.ended()

    begin.set()
    world.gate.open()
    await world.completed(reporting, crashing, neighbour)

    assert await world.outcomes(reporting) == ["completed"]
    assert await world.outcomes(crashing) == ["crashed", "completed"]
    assert await world.outcomes(neighbour) == ["interrupted", "completed"]
