"""What the storage answers about keys comes back to whoever enqueued, through all actors."""

import asyncio

import pytest

from taskqueue import KeyConflict
from taskqueue.api.context import Context
from taskqueue.rules.options import Options
from tests.actors.world import World

ONCE = Options(unique_key="once")


async def test_many_requests_under_one_key_at_once_are_one_task(world: World) -> None:
    await world.start()
    asked = [world.prepare("quick", options=ONCE, n=1) for _ in range(20)]
    plain = [world.prepare("quick", n=n) for n in range(20)]

    keyed, others = await asyncio.gather(
        asyncio.gather(*map(world.app.enqueue, asked)),
        asyncio.gather(*map(world.app.enqueue, plain)),
    )

    [[there]] = set(keyed)
    assert there in {task.id for task in asked}
    assert others == [(task.id,) for task in plain]
    await world.completed(there, *(task.id for task in plain))
    assert len(world.events.select("task_completed")) == 21


async def test_a_conflict_reaches_who_enqueued_and_the_others_of_the_call_are_done(
    world: World,
) -> None:
    await world.start()
    [there] = await world.app.enqueue(world.prepare("quick", options=ONCE, n=1))
    plain = world.prepare("quick", n=2)

    with pytest.raises(KeyConflict) as caught:
        await world.app.enqueue(world.prepare("quick", options=ONCE, n=3), plain)

    assert caught.value.keys == {"once": there}
    await world.completed(there, plain.id)


async def test_a_follow_up_whose_key_is_of_another_task_is_told_of(world: World) -> None:
    @world.app.task("next")
    async def following(ctx: Context, n: int) -> None: ...

    @world.app.task("first")
    async def first(ctx: Context) -> None:
        ctx.enqueue(following.with_options(unique_key="k"), n=2)

    await world.start()
    [held_by] = await world.app.enqueue(following.with_options(unique_key="k").prepare(n=1))

    await world.completed(await world.enqueue("first"))

    assert world.events.select("follow_up_refused", unique_key="k", held_by=held_by)
