"""How many consumers there are, while they are busy."""

import errno

import pytest

from taskqueue.actors.consumer.actor import ConsumerActor
from taskqueue.actors.port import ServicePort
from taskqueue.api.context import Context
from taskqueue.clock import SystemClock
from taskqueue.commands import GetConsumers, SetConsumers
from taskqueue.errors import ServiceNotStarted
from taskqueue.http.server.limits import LIMITS
from taskqueue.rules.health import Availability
from taskqueue.rules.sizes import size_of
from taskqueue.supervision import overview
from taskqueue.testing import faults
from tests.actors.world import World


async def names(world: World) -> list[str]:
    children = (await overview(world.system.address("consumers"))).children
    return [each.id for each in children]


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
    port = ServicePort(world.system, SystemClock(), LIMITS, Availability(), consumers=2)

    async def restarted() -> list[str]:
        await faults.kill(world.system, "consumers")
        await world.completed(await world.enqueue("quick"))
        return await names(world)

    for count, kept in ((3, 3), (1, 1), (None, 2)):
        size = await port(SetConsumers(count=count))
        assert size == await port(GetConsumers()) == size_of(count, 2)
        assert await restarted() == [f"consumer-{n + 1}" for n in range(kept)]


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
