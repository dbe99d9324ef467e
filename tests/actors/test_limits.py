"""The queue actor declares the limits of its app, keeps them, and looks at once after a change."""

import asyncio

import pytest

from taskqueue import Context, Limit
from taskqueue.actors.messages import DATABASE, QUEUE, Charge
from taskqueue.commands import ChangeLimit
from taskqueue.errors import StorageUnavailable
from taskqueue.rules.leases import chains
from taskqueue.rules.limits import LimitUse, LimitValues
from taskqueue.rules.options import Options
from taskqueue.runtime import ask
from taskqueue.storage.protocol import Storage
from taskqueue.testing.storage import FaultyStorage
from tests.actors.world import NOW, PATIENCE_S, Gate, World


async def change(world: World, name: str, values: LimitValues | None) -> bool:
    return await ask(world.system.address(QUEUE), ChangeLimit(name=name, values=values))


async def allowed(world: World) -> dict[str, tuple[LimitValues, bool]]:
    """What each limit allows, and whether that was changed."""
    usages = await world.storage.use(Storage.limits, now=NOW)
    return {usage.name: (usage.values, usage.changed_at is not None) for usage in usages}


def limit_to_one(world: World) -> None:
    @world.app.task("one by one", limit=Limit(running=1, name="single"))
    async def one_by_one(ctx: Context) -> None:
        world.runs.append(ctx.task.id)
        await world.gate.passed()


async def test_a_limit_holds_back_what_consumers_have_slots_for(world: World) -> None:
    limit_to_one(world)
    await world.start(slots=4)
    first, second = [await world.enqueue("one by one") for _ in range(2)]
    await world.begun(first)

    free = await world.enqueue("quick")
    await world.completed(free)
    assert world.runs == [first, free]

    world.gate.open()
    await world.completed(first, second)


async def test_what_a_raised_limit_allows_begins_at_once(world: World) -> None:
    limit_to_one(world)
    await world.start(slots=4)
    first, second = [await world.enqueue("one by one") for _ in range(2)]
    await world.begun(first)

    assert await change(world, "single", LimitValues(running=2))

    await world.begun(second)
    changed = await world.events.wait_for("limit_changed", limit="single")
    assert changed["running"] == 2


async def test_an_unknown_limit_cannot_be_reset(world: World) -> None:
    limit_to_one(world)
    await world.start()

    assert not await change(world, "other", None)
    assert await change(world, "single", None)


@pytest.mark.parametrize("victim", [QUEUE, DATABASE])
async def test_a_changed_limit_stays_changed_when_a_part_is_restarted(
    world: World, victim: str
) -> None:
    limit_to_one(world)
    await world.start()
    await change(world, "single", LimitValues(running=2))

    ref = world.queue if victim == QUEUE else world.database
    ref.kill()
    await world.events.wait_for("child_started", child_id=victim, incarnation=2)
    await world.completed(await world.enqueue("quick"))

    assert await allowed(world) == {"single": (LimitValues(running=2), True)}
    assert await change(world, "single", None)
    assert await allowed(world) == {"single": (LimitValues(running=1), False)}


async def test_nothing_is_claimed_before_the_limits_are_declared(
    world: World, storage: FaultyStorage
) -> None:
    limit_to_one(world)
    declare = storage.hold("declare_limits")
    starting = asyncio.create_task(world.start(slots=4))
    await declare.reached()
    first, second = [await world.enqueue("one by one") for _ in range(2)]

    declare.release()
    await starting
    await world.begun(first)

    await world.completed(await world.enqueue("quick"))
    assert second not in world.runs


async def test_the_limits_are_declared_once_the_storage_can_be_written(
    world: World, storage: FaultyStorage
) -> None:
    limit_to_one(world)
    storage.fail_next("declare_limits", StorageUnavailable("the disk is full"))

    await world.start()

    assert await allowed(world) == {"single": (LimitValues(running=1), False)}


async def test_what_a_handler_has_spent_is_charged_though_its_consumer_ends(
    world: World, storage: FaultyStorage
) -> None:
    second = Gate()

    @world.app.task("ask", limit=Limit(starts=1, per_s=1, name="tokens"))
    async def ask_model(ctx: Context) -> None:
        ctx.spend("tokens", 10)
        await second.passed()
        ctx.spend("tokens", 1_000)
        await world.gate.passed()

    charge = storage.hold("charge")
    await world.start()
    await world.enqueue("ask")
    async with asyncio.timeout(PATIENCE_S):
        await charge.reached()
        second.open()
        await charge.reached(2)
    assert not world.events.select("cost_not_charged")  # both are on their way at the same time
    [consumer] = world.consumers

    consumer.kill()
    await consumer.ended()
    charge.release()

    await world.events.wait_for("child_restarted", child_id="consumer-1")
    queue = world.system.address(QUEUE)
    await ask(queue, Charge(use=LimitUse("tokens", None, 0.0)))  # behind the two
    taken = await world.storage.use(Storage.take_starts, LimitUse("tokens"), now=NOW)
    assert taken is not None
    assert taken.retry_at > NOW + 1_000


async def test_queues_that_share_a_limit_take_turns(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chains, "CHAIN_S", -1.0)  # no chains
    queues: list[str] = []

    @world.app.task("one by one", limit=Limit(running=1, name="single"))
    async def one_by_one(ctx: Context) -> None:
        queues.append(ctx.task.queue)
        await world.gate.passed()

    await world.start(slots=4, queues={"mail": 1, "news": 1})
    first = await world.enqueue("one by one", options=Options(queue="mail"))
    await world.begun(first)
    waiting = [
        await world.enqueue("one by one", options=Options(queue=queue))
        for queue in ("mail", "news")
        for _ in range(3)
    ]

    world.gate.open()
    await world.completed(first, *waiting)

    assert queues[:3] == ["mail", "news", "mail"]
