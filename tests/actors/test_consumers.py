"""How many consumers and slots there are, while they are busy."""

import errno
import itertools

import pytest

from taskqueue.actors.consumer.actor import ConsumerActor
from taskqueue.actors.consumers import Pool
from taskqueue.actors.port import ServicePort
from taskqueue.api.context import Context
from taskqueue.clock import SystemClock
from taskqueue.commands import ChangePoolSize, GetConsumers, GetPoolSize, SetConsumers
from taskqueue.errors import ServiceNotStarted
from taskqueue.http.server.limits import LIMITS
from taskqueue.rules.health import Availability
from taskqueue.rules.sizes import Capacity, PoolSize, SizeChange, size_of
from taskqueue.runtime import Reply
from taskqueue.supervision import overview
from taskqueue.testing import faults
from tests.actors.world import Gate, World


async def names(world: World) -> list[str]:
    children = (await overview(world.system.address("consumers"))).children
    return [each.id for each in children]


def port_of(world: World, *pools: Pool) -> ServicePort:
    return ServicePort(world.system, SystemClock(), LIMITS, Availability(), pools=pools)


async def restart_supervisor(world: World) -> None:
    await faults.kill(world.system, "consumers")
    await world.completed(await world.enqueue("quick"))


def with_meeting(world: World, name: str, people: int, *, queue: str = "default") -> None:
    """Add an action whose handlers end only if so many of them run at once."""
    there = itertools.count(1)
    all_there: Reply[None] = Reply()

    @world.app.task(name, queue=queue)
    async def meet(ctx: Context) -> None:
        if next(there) == people:
            all_there.set()
        await all_there


async def test_more_consumers_take_what_waits(world: World) -> None:
    await world.start(consumers=1, prefetch=0)
    tasks = [await world.enqueue("wait") for _ in range(3)]
    await world.begun(tasks[0])

    await world.resize(3)
    for task_id in tasks:
        await world.begun(task_id)

    assert await names(world) == ["consumer-1", "consumer-2", "consumer-3"]
    world.gate.open()
    await world.completed(*tasks)


async def test_the_last_ones_leave_after_they_have_finished(world: World) -> None:
    await world.start(consumers=3)
    tasks = [await world.enqueue("wait") for _ in range(3)]
    for task_id in tasks:
        await world.begun(task_id)

    world.gate.open()
    await world.resize(1)

    await world.completed(*tasks)
    assert await names(world) == ["consumer-1"]
    assert len(world.consumers) == 1
    await world.completed(await world.enqueue("quick"))


async def test_who_leaves_with_a_task_unfinished_gives_it_to_those_who_stay(world: World) -> None:
    await world.start(consumers=2, drain_s=0.05)
    tasks = [await world.enqueue("wait") for _ in range(2)]
    for task_id in tasks:
        await world.begun(task_id)
    [leaving] = [
        e["task_id"] for e in world.events.select("attempt_started", consumer="consumer-2")
    ]

    await world.resize(1)
    world.gate.open()
    await world.completed(*tasks)

    assert await world.outcomes(leaving) == ["interrupted", "completed"]
    assert (await world.history(leaving)).task.attempt == 1


async def test_without_consumers_tasks_wait_for_the_next_ones(world: World) -> None:
    await world.start(consumers=2)
    await world.resize(0)
    waiting = [await world.enqueue("quick") for _ in range(3)]

    await world.resize(1)

    await world.completed(*waiting)


async def test_resizing_to_what_is_there_changes_nobody(world: World) -> None:
    await world.start(consumers=2)
    before = world.consumers

    await world.resize(2)

    assert world.consumers == before


async def test_the_number_is_kept_over_a_restart_of_the_supervisor_until_it_is_given_up(
    world: World,
) -> None:
    await world.start(consumers=2)
    port = port_of(world, Pool(count=2, queues=("default",)))

    for count, kept in ((3, 3), (1, 1), (None, 2)):
        size = await port(SetConsumers(count=count))
        assert size == await port(GetConsumers()) == size_of(count, 2)
        await restart_supervisor(world)
        assert await names(world) == [f"consumer-{n + 1}" for n in range(kept)]


async def test_more_slots_are_used_at_once_and_interrupt_nothing(world: World) -> None:
    await world.start(slots=1, prefetch=0)
    tasks = [await world.enqueue("wait") for _ in range(3)]
    await world.begun(tasks[0])
    before = world.consumers

    await world.resize(1, slots=3)
    for task_id in tasks:
        await world.begun(task_id)

    assert world.consumers == before
    world.gate.open()
    await world.completed(*tasks)
    assert sorted(world.runs) == sorted(tasks)


async def test_fewer_slots_hold_as_handlers_end_and_interrupt_nothing(world: World) -> None:
    gates = [Gate() for _ in range(4)]

    @world.app.task("pass")
    async def pass_(ctx: Context, gate: int) -> None:
        await gates[gate].passed()

    await world.start(slots=2, prefetch=0)
    busy = [await world.enqueue("pass", gate=n) for n in (0, 1)]
    for task_id in busy:
        await world.begun(task_id)
    next_, last = [await world.enqueue("pass", gate=n) for n in (2, 3)]

    await world.resize(1, slots=1)
    gates[0].open()
    await world.completed(busy[0])
    begun_beyond = world.events.select("attempt_started", task_id=next_)
    gates[1].open()
    await world.completed(busy[1])
    await world.begun(next_)
    begun_beside = world.events.select("attempt_started", task_id=last)
    gates[2].open()
    gates[3].open()
    await world.completed(next_, last)

    assert (begun_beyond, begun_beside) == ([], [])
    assert [await world.outcomes(task_id) for task_id in busy] == [["completed"]] * 2


async def test_a_dedicated_pool_has_a_size_of_its_own_that_is_kept_over_a_restart(
    world: World,
) -> None:
    with_meeting(world, "meet", 6, queue="mail")
    await world.start(consumers=1, queues={"mail": 2})
    shared = Pool(count=1, queues=("default",))
    mail = Pool(name="consumer-mail", count=2, queues=("mail",))
    port = port_of(world, shared, mail)

    size = await port(ChangePoolSize(queue="mail", change=SizeChange(count=3, slots=2)))
    await restart_supervisor(world)
    tasks = [await world.enqueue("meet") for _ in range(6)]  # three consumers with two slots each
    await world.completed(*tasks)

    assert size == await port(GetPoolSize(queue="mail"))
    assert size == PoolSize(
        queues=("mail",),
        count=3,
        slots=2,
        configured=Capacity(count=2, slots=1),
        is_changed=True,
    )
    there = ["consumer-1", "consumer-mail-1", "consumer-mail-2", "consumer-mail-3"]
    assert await names(world) == there
    assert await port(GetConsumers()) == size_of(None, 1)
    assert await port(GetPoolSize(queue="elsewhere")) is None


async def test_what_is_not_changed_of_a_size_stays_and_the_configured_one_comes_back(
    world: World,
) -> None:
    await world.start(consumers=2)
    port = port_of(world, Pool(count=2, queues=("default",)))

    async def changed(change: SizeChange) -> tuple[int, int, bool]:
        size = await port(ChangePoolSize(queue="default", change=change))
        assert size is not None
        return size.count, size.slots, size.is_changed

    assert await changed(SizeChange(slots=4)) == (2, 4, True)
    assert await port(SetConsumers(count=3)) == size_of(3, 2)
    assert await changed(SizeChange()) == (3, 4, True)
    assert await changed(SizeChange(slots=None)) == (3, 1, True)
    assert await changed(SizeChange(count=None)) == (2, 1, False)


async def test_a_consumer_that_is_restarted_has_the_slots_that_hold_now(world: World) -> None:
    with_meeting(world, "meet", 3)
    await world.start(slots=1)
    await world.resize(1, slots=3)

    [consumer] = world.consumers
    consumer.kill()
    tasks = [await world.enqueue("meet") for _ in range(3)]

    await world.completed(*tasks)


async def test_a_queue_actor_that_is_restarted_knows_the_slots_that_hold_now(world: World) -> None:
    with_meeting(world, "meet", 3)
    await world.start(slots=1, prefetch=0)
    await world.resize(1, slots=3)

    await faults.kill(world.system, "queue")
    tasks = [await world.enqueue("meet") for _ in range(3)]

    await world.completed(*tasks)


async def test_slots_may_change_under_load(world: World) -> None:
    await world.start(consumers=2, slots=4)
    tasks = []

    for slots in (1, 3, 8, 2, 1, 5):
        tasks += [await world.enqueue("quick") for _ in range(20)]
        await world.resize(2, slots=slots)

    await world.completed(*tasks)
    assert sorted(world.runs) == sorted(tasks)


async def test_sizes_may_follow_each_other_under_load(world: World) -> None:
    await world.start(consumers=2)
    tasks = []

    for count in (4, 1, 3, 0, 2, 5, 1):
        tasks += [await world.enqueue("quick") for _ in range(5)]
        await world.resize(count)

    await world.completed(*tasks)
    assert sorted(world.runs) == sorted(tasks)
    assert await names(world) == ["consumer-1"]


async def test_none_starts_for_handlers_in_processes_that_could_not_find_their_app(
    world: World,
) -> None:
    @world.app.task("work", executor="process")
    def work(ctx: Context) -> None: ...

    with pytest.raises(ServiceNotStarted, match=r"load it with --app package\.module:app"):
        await world.start()


async def test_consumers_that_cannot_be_started_cost_those_that_run_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.start(consumers=2)
    supervisor = world.system.address("consumers").whereis()

    def on_start(_: ConsumerActor) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(ConsumerActor, "on_start", on_start)
    await world.resize(4)
    monkeypatch.undo()

    assert await names(world) == ["consumer-1", "consumer-2"]
    assert world.system.address("consumers").whereis() is supervisor
    [event] = world.events.select("consumers_not_added")
    assert "Too many open files" in event["reason"]
    await world.completed(await world.enqueue("quick"))
