"""What other nodes have decided, and what a node says of itself, also over crashes of its parts."""

import asyncio
from collections.abc import Awaitable, Callable

from taskqueue.actors.consumers import SHARED
from taskqueue.actors.messages import NODE, QUEUE
from taskqueue.rules.nodes import ServiceNode
from taskqueue.rules.sizes import SizeChange
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, PATIENCE_S, World

NAME = "local"


async def the_node(world: World, is_it: Callable[[ServiceNode], bool]) -> ServiceNode:
    """Return the node of the world, once it has said what is wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for node in await world.storage.use(Storage.nodes):
                if is_it(node):
                    return node
            await asyncio.sleep(0.01)  # a heartbeat is no event


async def elsewhere(storage: FaultyStorage, decided: Awaitable[object]) -> None:
    """Let another node decide something."""
    await decided
    storage.commit_elsewhere()


async def test_a_node_says_what_it_serves_and_runs(world: World) -> None:
    await world.start(consumers=2, slots=3)
    await world.begun(await world.enqueue("wait"))

    said = (await the_node(world, lambda node: node.said.running == 1)).said

    assert said.owner == world.owner
    assert (said.queues, said.consumers, said.slots) == (("default",), 2, 6)
    assert said.address is None


async def test_a_node_that_is_drained_hands_back_what_has_not_begun_and_claims_nothing(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    running, buffered = await world.enqueue("wait"), await world.enqueue("quick")
    await world.begun(running)

    await elsewhere(storage, storage.inner.drain_node(NAME, now=NOW))
    await world.events.wait_for("task_handed_back", task_id=buffered)
    late = await world.enqueue("quick")
    world.gate.open()
    await world.completed(running)
    begun = list(world.runs)
    await elsewhere(storage, storage.inner.resume_node(NAME))
    await world.completed(buffered, late)

    assert begun == [running]
    assert (await world.history(buffered)).task.attempt == 1
    assert [len(world.events.select(name)) for name in ("node_draining", "node_resumed")] == [1, 1]


async def test_a_node_still_drains_after_its_queue_was_restarted(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    await elsewhere(storage, storage.inner.drain_node(NAME, now=NOW))
    await world.events.wait_for("node_draining")

    world.queue.kill()
    await world.events.wait_for("child_restarted", child_id=QUEUE)
    await world.events.wait_for("queue_ready", nth=2)
    waiting = await world.enqueue("quick")
    await world.events.wait_for("node_draining", nth=2)
    begun = list(world.runs)
    await elsewhere(storage, storage.inner.resume_node(NAME))
    await world.completed(waiting)

    assert begun == []


async def test_a_queue_that_another_node_has_paused_begins_nothing(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    running, buffered = await world.enqueue("wait"), await world.enqueue("quick")
    await world.begun(running)

    await elsewhere(storage, storage.inner.pause("default", now=NOW))
    await world.events.wait_for("task_handed_back", task_id=buffered)
    world.gate.open()
    await world.completed(running)
    begun = list(world.runs)
    await elsewhere(storage, storage.inner.resume("default"))
    await world.completed(buffered)

    assert begun == [running]


async def test_sizes_that_another_node_has_set_are_followed(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()

    await elsewhere(storage, storage.inner.set_size(SHARED, SizeChange(count=3, slots=2)))

    await world.events.wait_for("child_started", child_id="consumer-3")
    said = (await the_node(world, lambda node: node.said.consumers == 3)).said
    assert said.slots == 6


async def test_a_node_goes_on_after_a_crash_of_what_speaks_for_it(world: World) -> None:
    await world.start()
    before = await the_node(world, lambda _: True)

    ref = world.system.address(NODE).whereis()
    assert ref is not None
    ref.kill()
    await world.events.wait_for("child_restarted", child_id=NODE)
    after = await the_node(world, lambda node: node.beat_at > before.beat_at)

    assert after.said.owner == before.said.owner
    assert after.said.started_at == before.said.started_at


async def test_a_heartbeat_that_cannot_be_stored_harms_nothing_and_comes_again(
    world: World, storage: FaultyStorage
) -> None:
    await world.start()
    before = await the_node(world, lambda _: True)

    storage.break_down(verbs=("beat", "sizes", "is_draining", "next_lease_end"))
    storage.commit_elsewhere()
    await world.events.wait_for("storage_degraded")
    storage.repair()

    await the_node(world, lambda node: node.beat_at > before.beat_at)
    await world.completed(await world.enqueue("quick"))


async def test_a_node_that_is_stopped_leaves(world: World, storage: FaultyStorage) -> None:
    await world.start()
    await the_node(world, lambda _: True)

    await world.stop()

    assert "leave" in storage.calls
