"""What is left of actors that ended: nothing."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from taskqueue.runtime import KILLED, Actor, ActorRef, System, stop, tell
from taskqueue.runtime.exits import NORMAL
from tests.runtime.puppets import (
    Bug,
    Do,
    DoMeanwhile,
    Hermit,
    Puppet,
    Trapper,
    do,
    raising,
)


async def test_a_closed_system_leaves_no_task_and_no_thread() -> None:
    threads = set(threading.enumerate())

    async with System() as system:
        for kind in (Puppet, Trapper, Hermit):
            ref = await system.spawn(kind)
            await do(ref, lambda _: Puppet.start_link())
            await do(ref, lambda me: me.start_task(work()) and None)
            tell(ref, DoMeanwhile(work=lambda _: asyncio.Event().wait()))
            tell(ref, Do(work=lambda _: asyncio.Event().wait()))
        await asyncio.sleep(0)

    assert system.actors == ()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert set(threading.enumerate()) <= threads


async def work() -> None:
    """Go on until cancelled."""
    await asyncio.Event().wait()


async def test_closing_also_ends_who_is_just_starting() -> None:
    entered = asyncio.Event()

    async def prepare(_: Actor) -> None:
        entered.set()
        await asyncio.Event().wait()

    system = System()
    start = asyncio.create_task(system.spawn(Puppet, on_start=prepare))
    await entered.wait()
    await system.close()

    await asyncio.wait([start])
    assert type(start.exception()).__name__ == "StartFailed"
    assert system.actors == ()


async def test_closing_ends_those_who_start_others_while_they_die() -> None:
    async with System() as system:

        async def close_by_starting_another() -> None:
            await system.spawn(Puppet)

        await system.spawn(Puppet, on_start=lambda me: me.own(close_by_starting_another))

    assert system.actors == ()


@pytest.mark.long
async def test_ten_thousand_actors_leave_nothing_behind() -> None:
    async with System() as system:
        gone: list[weakref.ref[Actor]] = []
        refs = [await system.spawn(Puppet) for _ in range(10_000)]
        for ref in refs:
            actor = ref._actor_weakref()
            assert actor is not None
            gone.append(weakref.ref(actor))
            ref.kill()
        del actor
        for ref in refs:
            assert await ref.ended() == KILLED

        assert system.actors == ()
        del ref, refs
        gc.collect()
        assert sum(actor() is not None for actor in gone) == 0


async def remembered(refs: list[ActorRef]) -> list[weakref.ref[Actor]]:
    """Return weak references to the actors."""
    return [weakref.ref(await do(ref, lambda me: me)) for ref in refs]


async def test_an_actor_is_forgotten_though_its_reference_is_kept(system: System) -> None:
    refs = [await system.spawn(Puppet), await system.spawn(Hermit)]
    actors = await remembered(refs)

    refs[0].kill()
    await refs[0].ended()
    await stop(refs[1], NORMAL)
    await system.close()
    gc.collect()

    assert [actor() for actor in actors] == [None, None]


async def test_a_parent_that_crashes_over_the_end_of_its_child_is_forgotten(
    system: System, logs: list[Any]
) -> None:
    class Fragile(Trapper):
        def on_exit_signal(self, message: object) -> None:
            raise Bug

    parent = await system.spawn(Fragile)
    [actor] = await remembered([parent])
    child = await do(parent, lambda _: Puppet.start_link())
    tell(child, Do(work=raising(Bug())))
    await parent.ended()
    await child.ended()

    del parent, child
    logs.clear()  # the crash report holds the exception, and that its frames
    for _ in range(3):  # the loop has callbacks of the ended tasks to run
        await asyncio.sleep(0)
    gc.collect()

    assert actor() is None


async def test_asking_the_dead_again_and_again_collects_nothing(system: System) -> None:
    ref = await system.spawn(Puppet)
    ref.kill()
    await ref.ended()

    await fail_to_ask(ref, 100)
    gc.collect()
    before = len(gc.get_objects())
    await fail_to_ask(ref, 1000)
    gc.collect()

    assert len(gc.get_objects()) - before < 100


async def fail_to_ask(ref: ActorRef, times: int) -> None:
    """Ask who is dead."""
    for _ in range(times):
        await asyncio.gather(do(ref, lambda _: None), return_exceptions=True)
