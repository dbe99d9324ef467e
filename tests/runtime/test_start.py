"""Starting: the handshake, what a failed start leaves, where an actor lives."""

import asyncio
import threading
from typing import Any

import pytest

from taskqueue.errors import StartFailed
from taskqueue.runtime import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Actor,
    ActorRef,
    Crash,
    Exit,
    Ignore,
    NameTaken,
    System,
    tell,
)
from tests.runtime.puppets import (
    Bug,
    Do,
    Hermit,
    Note,
    Puppet,
    Trapper,
    cause_of,
    do,
    heard,
    raising,
    threads,
)


async def test_spawn_returns_when_on_start_is_done(system: System) -> None:
    done = []

    async def prepare(_: Actor) -> None:
        await asyncio.sleep(0)
        done.append("prepared")

    ref = await system.spawn(Puppet, on_start=prepare)

    assert done == ["prepared"]
    assert ref.is_alive()


async def test_start_link_returns_when_on_start_is_done_and_links(system: System) -> None:
    parent = await system.spawn(Trapper)
    done: list[str] = []

    child = await do(
        parent, lambda me: Puppet.start_link(on_start=lambda _: done.append("prepared"))
    )
    assert done == ["prepared"]
    child.kill()

    [signal] = await heard(parent, 1)
    assert (signal.sender, signal.reason) == (child, KILLED)


async def test_start_link_is_for_actors(system: System) -> None:
    with pytest.raises(RuntimeError, match=r"System\.spawn"):
        await Puppet.start_link()


async def test_messages_wait_until_on_start_is_done(system: System) -> None:
    def prepare(me: Puppet) -> None:
        tell(me.ref, Note(text="first message"))
        me.hear("on_start")

    ref = await system.spawn(Puppet, on_start=prepare)

    assert await heard(ref, 2) == ["on_start", "first message"]


@pytest.mark.parametrize("error", [Bug("no"), SystemExit(1), KeyboardInterrupt()])
async def test_an_exception_in_on_start_is_the_cause_of_start_failed(
    system: System, error: BaseException
) -> None:
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Puppet, "fragile", on_start=raising(error))

    assert failed.value.actor == "fragile"
    assert failed.value.cause == Crash(error)
    assert failed.value.__cause__ is error
    assert system.actors == ()


async def test_an_exception_in_the_constructor_is_a_failed_start(system: System) -> None:
    class Fragile(Puppet):
        def __init__(self) -> None:
            super().__init__()
            raise Bug

    with pytest.raises(StartFailed, match="Fragile") as failed:
        await system.spawn(Fragile)

    assert isinstance(failed.value.__cause__, Bug)
    assert system.actors == ()


async def test_an_exit_in_on_start_is_the_cause_of_start_failed(system: System) -> None:
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Puppet, on_start=raising(Exit(SHUTDOWN)))

    assert failed.value.cause == SHUTDOWN


async def test_a_crash_of_its_task_fails_a_start(system: System) -> None:
    async def crash() -> None:
        raise Bug

    async def prepare(me: Puppet) -> None:
        me.start_task(crash())
        await asyncio.Event().wait()

    with pytest.raises(StartFailed) as failed:
        await system.spawn(Puppet, on_start=prepare)

    assert isinstance(failed.value.__cause__, Bug)


async def test_the_name_is_free_before_the_starter_is_told_of_a_failure(system: System) -> None:
    for _ in range(100):
        with pytest.raises(StartFailed):
            await system.spawn(Puppet, "phoenix", on_start=raising(Bug()))
        assert system.names.whereis("phoenix") is None

    assert (await system.spawn(Puppet, "phoenix")).is_alive()


async def test_the_name_of_a_failed_start_on_another_host_is_free_when_told(
    system: System,
) -> None:
    for _ in range(20):
        with pytest.raises(StartFailed) as failed:
            await system.spawn(Hermit, "phoenix", on_start=raising(Bug()))
        assert isinstance(failed.value.__cause__, Bug)
        assert system.names.whereis("phoenix") is None


async def test_on_stop_does_not_run_after_a_failed_start(system: System) -> None:
    stops: list[object] = []

    with pytest.raises(StartFailed):
        await system.spawn(Puppet, on_start=raising(Bug()), on_stop=stops.append)

    assert stops == []


async def test_what_a_failed_start_owned_is_closed_before_the_starter_is_told(
    system: System,
) -> None:
    closed: list[str] = []

    def prepare(me: Puppet) -> None:
        me.own(lambda: closed.append("file"))
        raise Bug

    with pytest.raises(StartFailed):
        await system.spawn(Puppet, on_start=prepare)

    assert closed == ["file"]


async def test_the_parent_gets_no_signal_of_a_failed_start(system: System) -> None:
    parent = await system.spawn(Trapper)

    async def try_both(_: Actor) -> None:
        for child in (Puppet, Hermit):
            with pytest.raises(StartFailed):
                await child.start_link(on_start=fail)

    await do(parent, try_both)
    tell(parent, Note(text="only this"))

    assert await heard(parent, 1) == ["only this"]


async def test_a_failed_start_does_not_end_a_parent_that_handles_it(system: System) -> None:
    parent = await system.spawn(Puppet)

    async def try_it(_: Actor) -> object:
        with pytest.raises(StartFailed):
            await Puppet.start_link(on_start=fail)
        return "still here"

    assert await do(parent, try_it) == "still here"


async def test_on_start_may_answer_ignore(system: System) -> None:
    with pytest.raises(Ignore):
        await system.spawn(Puppet, "nothing", on_start=raising(Ignore()))

    assert system.names.whereis("nothing") is None
    assert system.actors == ()


async def test_ignore_outside_of_on_start_is_a_crash(system: System) -> None:
    ref = await system.spawn(Puppet)

    ref.tell(Do(work=raising(Ignore())))

    assert isinstance(cause_of(await ref.ended()), Ignore)


async def test_a_taken_name_fails_the_start_and_leaves_its_holder_alone(system: System) -> None:
    holder = await system.spawn(Puppet, "queue")

    with pytest.raises(StartFailed) as failed:
        await system.spawn(Hermit, "queue")

    taken = failed.value.__cause__
    assert isinstance(taken, NameTaken)
    assert (taken.name, taken.holder) == ("queue", holder)
    assert system.names.whereis("queue") is holder
    assert system.actors == (holder,)


async def test_a_cancelled_start_kills_the_half_started_actor_and_frees_its_name(
    system: System,
) -> None:
    entered, closed = asyncio.Event(), []

    async def prepare(me: Puppet) -> None:
        me.own(lambda: closed.append("file"))
        entered.set()
        await asyncio.Event().wait()

    start = asyncio.create_task(system.spawn(Puppet, "slow", on_start=prepare))
    await entered.wait()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start

    assert system.names.whereis("slow") is None
    assert system.actors == ()
    assert closed == ["file"]


async def test_a_parent_that_cancels_a_start_gets_no_signal_of_it(system: System) -> None:
    parent = await system.spawn(Trapper)

    async def give_up(_: Actor) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await Puppet.start_link(on_start=lambda _: asyncio.Event().wait())

    await do(parent, give_up)
    tell(parent, Note(text="only this"))

    assert await heard(parent, 1) == ["only this"]
    assert system.actors == (parent,)


async def test_a_start_that_is_cancelled_as_it_succeeds_leaves_nothing_either(
    system: System,
) -> None:
    parent = await system.spawn(Trapper)

    async def give_up(_: Actor) -> None:
        start = asyncio.current_task()
        assert start is not None
        with pytest.raises(asyncio.CancelledError):
            await Puppet.start_link(on_start=lambda _: start.cancel() and None)
        start.uncancel()

    await do(parent, give_up)
    tell(parent, Note(text="only this"))

    assert await heard(parent, 1) == ["only this"]
    assert system.actors == (parent,)


async def test_a_dead_parent_starts_nobody(system: System) -> None:
    parent = await system.spawn(Puppet)
    parent_is_dead = asyncio.Event()

    async def start_too_late() -> ActorRef:
        await parent_is_dead.wait()
        return await Puppet.start_link("orphan")

    leftover = await do(parent, lambda _: [asyncio.ensure_future(start_too_late())])
    parent.kill()
    await parent.ended()
    parent_is_dead.set()

    with pytest.raises(StartFailed) as failed:
        await leftover[0]
    assert failed.value.cause == KILLED
    assert system.actors == ()


async def test_a_start_that_hangs_in_a_blocking_call_can_be_given_up(impatient: System) -> None:
    release = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await impatient.spawn(Hermit, "stuck", on_start=lambda _: release.wait())

        assert impatient.names.whereis("stuck") is None
        assert impatient.actors == ()
    finally:
        release.set()


async def test_a_killed_parent_takes_the_child_it_starts_with_it(system: System) -> None:
    parent = await system.spawn(Puppet)
    entered = asyncio.Event()

    async def prepare(_: Actor) -> None:
        entered.set()
        await asyncio.Event().wait()

    parent.tell(Do(work=lambda _: Puppet.start_link("child", on_start=prepare)))
    await entered.wait()
    parent.kill()
    await parent.ended()

    assert system.names.whereis("child") is None
    assert system.actors == ()


async def test_an_actor_lives_with_its_parent_unless_it_asks_for_a_host(system: System) -> None:
    parent = await system.spawn(Hermit)

    child = await do(parent, lambda _: Puppet.start_link())
    [mine, parents, childs] = [
        threading.get_ident(),
        await do(parent, lambda _: threading.get_ident()),
        await do(child, lambda _: threading.get_ident()),
    ]

    assert mine != parents == childs


async def test_the_thread_of_a_dedicated_host_ends_with_its_actor(system: System) -> None:
    ref = await system.spawn(Hermit)
    thread = ref.cell.host.thread

    ref.kill()
    await ref.ended()

    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


async def test_a_dedicated_host_outlives_its_actor_for_those_who_were_started_there(
    system: System,
) -> None:
    parent = await system.spawn(Hermit)
    child = await do(parent, lambda _: Trapper.start_link())
    await do(child, lambda me: me.unlink(parent))
    thread = parent.cell.host.thread

    parent.kill()
    await parent.ended()
    assert await do(child, lambda _: "still here") == "still here"
    child.kill()

    await asyncio.to_thread(thread.join, 5)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(lambda system: system.spawn(Hermit, on_start=fail), id="on_start"),
        pytest.param(lambda system: system.spawn(Hermit, "taken"), id="name"),
        pytest.param(lambda system: system.spawn(Hermit, no_such_argument=1), id="constructor"),
    ],
)
async def test_a_failed_start_on_a_dedicated_host_leaves_no_thread(
    system: System, start: Any
) -> None:
    await system.spawn(Puppet, "taken")
    before = set(threads("Hermit"))

    with pytest.raises(StartFailed):
        await start(system)
    await system.close()

    assert set(threads("Hermit")) <= before


async def test_the_constructor_finds_the_reference_of_its_actor(system: System) -> None:
    class Early(Puppet):
        def __init__(self) -> None:
            self.early = self.ref
            super().__init__()

    ref = await system.spawn(Early)

    assert await do(ref, lambda me: me.early) is ref


async def test_a_spawned_actor_ends_alone(system: System) -> None:
    parent = await system.spawn(Puppet)

    child = await do(parent, lambda _: system.spawn(Puppet))
    parent.kill()
    await parent.ended()

    assert await do(child, lambda me: "alone") == "alone"


async def test_an_exit_normal_in_on_start_is_a_failed_start_as_well(system: System) -> None:
    with pytest.raises(StartFailed) as failed:
        await system.spawn(Puppet, on_start=raising(Exit(NORMAL)))

    assert failed.value.cause == NORMAL


def fail(_: Actor) -> None:
    raise Bug
