"""Signals take effect at once: for their sender, for later callers, and for the actor itself."""

import asyncio
import threading

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    ActorRef,
    Crash,
    ExitReason,
    System,
    request,
    suspend,
    tell,
)
from tests.runtime.puppets import (
    Do,
    Hermit,
    Note,
    Puppet,
    Trapper,
    TrappingHermit,
    do,
    heard,
    raising,
)

BOOM = Crash("boom")


@pytest.mark.parametrize("kind", [Puppet, Hermit])
async def test_a_killed_actor_is_dead_for_its_killer_at_once(
    system: System, kind: type[Puppet]
) -> None:
    for _ in range(20):
        victim, killer = await system.spawn(kind), await system.spawn(Trapper)

        def work(me: Puppet, victim: ActorRef = victim) -> bool:
            victim.kill()
            me.monitor(victim)
            me.link(victim)
            return victim.is_alive()

        assert await do(killer, work) is False
        told = await heard(killer, 2)
        assert [each.reason for each in told] == [NOPROC, NOPROC]


@pytest.mark.parametrize("kind", [Puppet, Hermit])
async def test_an_untrapped_signal_is_an_end_at_once(system: System, kind: type[Puppet]) -> None:
    victim, sender = await system.spawn(kind), await system.spawn(Puppet)

    def work(_: Puppet) -> list[bool]:
        victim.exit(NORMAL)
        before = victim.is_alive()
        victim.exit(BOOM)
        victim.exit(KILLED)
        return [before, victim.is_alive()]

    assert await do(sender, work) == [True, False]
    assert await victim.ended() == BOOM


async def test_a_message_after_a_signal_is_not_handled(system: System) -> None:
    victim, entered, release = await system.spawn(Hermit), threading.Event(), threading.Event()
    busy = request(victim, Do(work=lambda _: (entered.set(), release.wait(5))))
    while not entered.is_set():
        await do(await system.spawn(Puppet), lambda _: None)
    handled: list[str] = []

    victim.exit(BOOM)
    tell(victim, Do(work=lambda _: handled.append("after")))
    release.set()

    assert await victim.ended() == BOOM
    assert handled == []
    assert busy.done()


@pytest.mark.parametrize("kind", [Puppet, Hermit])
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, BOOM])
async def test_an_actor_that_ends_itself_does_not_go_on_and_its_caller_gets_the_reason(
    system: System, kind: type[Puppet], reason: ExitReason
) -> None:
    ref, went_on = await system.spawn(kind), []

    def work(me: Puppet) -> str:
        me.ref.exit(reason)
        went_on.append("further")
        return "an answer"

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, work)

    assert (error.value.cause, await ref.ended(), went_on) == (reason, reason, [])


@pytest.mark.parametrize("kind", [Trapper, TrappingHermit])
async def test_an_actor_that_kills_itself_does_not_go_on(
    system: System, kind: type[Puppet]
) -> None:
    ref, went_on = await system.spawn(kind), []

    def work(me: Puppet) -> None:
        me.ref.kill()
        went_on.append("further")

    with pytest.raises(ActorUnavailable):
        await do(ref, work)

    assert (await ref.ended(), went_on) == (KILLED, [])


async def test_an_actor_may_end_itself_while_it_starts(system: System) -> None:
    parent = await system.spawn(Trapper)

    def start(_: Puppet) -> object:
        return Puppet.start_link(on_start=lambda me: me.ref.exit(BOOM))

    with pytest.raises(ActorUnavailable) as error:
        await do(parent, start)

    assert "boom" in str(error.value.__cause__)


async def test_a_thread_of_an_actor_may_kill_it(system: System) -> None:
    ref = await system.spawn(Puppet)

    tell(ref, Do(work=lambda me: asyncio.to_thread(me.ref.kill)))

    assert await ref.ended() == KILLED


async def test_linking_to_the_dead_ends_the_handler_there_and_runs_on_stop(system: System) -> None:
    dead, stops, went_on = await system.spawn(Puppet), [], []
    dead.kill()
    await dead.ended()
    ref = await system.spawn(Puppet, on_stop=lambda me: stops.append(me.exit_reason))

    def work(me: Puppet) -> None:
        me.link(dead)
        went_on.append("further")

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, work)

    assert (error.value.cause, stops, went_on) == (NOPROC, [NOPROC], [])


@pytest.mark.parametrize("one", [Puppet, Hermit])
@pytest.mark.parametrize("two", [Trapper, TrappingHermit])
async def test_the_exit_signal_comes_before_the_down(
    system: System, one: type[Puppet], two: type[Puppet]
) -> None:
    for _ in range(20):
        watched, watcher = await system.spawn(one), await system.spawn(two)

        def both(me: Puppet, watched: ActorRef = watched) -> None:
            me.monitor(watched)
            me.link(watched)

        await do(watcher, both)
        tell(watched, Do(work=raising(ValueError())))

        assert [type(each).__name__ for each in await heard(watcher, 2)] == ["ExitSignal", "Down"]


@pytest.mark.parametrize("suspended", [False, True])
async def test_a_parents_shutdown_comes_after_the_messages_before_it_unless_suspended(
    system: System, suspended: bool
) -> None:
    seen: list[object] = []
    parent = await system.spawn(Puppet)
    child = await do(parent, lambda _: Trapper.start_link(on_stop=lambda me: seen.append("stop")))
    if suspended:
        await suspend(child)

    def shut_down(_: Puppet) -> None:
        for number in range(10):
            tell(child, Do(work=lambda _, number=number: seen.append(number)))
        child.exit(SHUTDOWN)
        tell(child, Do(work=lambda _: seen.append("too late")))

    await do(parent, shut_down)

    assert await child.ended() == SHUTDOWN
    assert seen == (["stop"] if suspended else [*range(10), "stop"])


async def test_calls_before_a_parents_shutdown_are_answered(system: System) -> None:
    parent = await system.spawn(Puppet)
    child = await do(parent, lambda _: Trapper.start_link())

    def shut_down(_: Puppet) -> list[object]:
        asked = [request(child, Do(work=lambda _: "served")) for _ in range(3)]
        child.exit(SHUTDOWN)
        return [*asked, request(child, Do(work=lambda _: "never"))]

    *asked, too_late = await do(parent, shut_down)

    assert [await each for each in asked] == ["served"] * 3
    with pytest.raises(ActorUnavailable):
        await too_late


async def test_an_observer_that_ends_is_forgotten_by_those_it_watched(system: System) -> None:
    watched = await system.spawn(Puppet)

    for _ in range(10):
        observer = await system.spawn(Puppet)
        await do(observer, lambda me: me.monitor(watched))
        observer.kill()
        await observer.ended()

    assert watched.cell.monitors == {}


async def test_no_down_comes_for_a_monitor_of_a_killed_actor_after_demonitor(
    system: System,
) -> None:
    victim, observer = await system.spawn(Puppet), await system.spawn(Puppet)

    def work(me: Puppet) -> None:
        victim.kill()
        me.demonitor(me.monitor(victim), victim)

    await do(observer, work)
    await victim.ended()
    tell(observer, Note(text="only this"))

    assert await heard(observer, 1) == ["only this"]
