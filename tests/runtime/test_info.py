"""What an actor is doing, and has done: process_info and traces."""

import asyncio
import threading

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    System,
    process_info,
    request,
    resume,
    suspend,
    tell,
    traced,
)
from tests.runtime.puppets import (
    Bug,
    Declared,
    Do,
    DoMeanwhile,
    Hermit,
    Note,
    Puppet,
    do,
    heard,
    raising,
)


async def test_an_actor_that_waits_says_so(system: System) -> None:
    ref = await system.spawn(Puppet, "open")
    await do(ref, lambda _: None)

    info = process_info(ref)

    assert info is not None
    assert (info.actor, info.status, info.mailbox, info.handled) == ("open", "waiting", 0, 1)
    assert (info.handling, info.handling_s, info.oldest_message_s) == (None, None, None)
    assert (info.parent, info.children, info.links) == (None, (), ())


async def test_an_actor_that_blocks_its_thread_is_seen_from_another(system: System) -> None:
    ref = await system.spawn(Hermit)
    entered, release = threading.Event(), threading.Event()
    busy = request(ref, Do(work=lambda _: (entered.set(), release.wait(5))))
    await asyncio.to_thread(entered.wait)
    tell(ref, Note(text="first"))
    between = process_info(ref)
    tell(ref, Note(text="second"))

    info = process_info(ref)

    assert info is not None
    assert between is not None
    assert (info.status, info.handling, info.mailbox) == ("running", "Do", 2)
    assert info.handling_s is not None
    assert info.oldest_message_s is not None
    assert info.handling_s >= info.oldest_message_s >= (between.oldest_message_s or 0.0) >= 0.0
    assert info.thread == "Hermit"
    release.set()
    await busy


async def test_who_is_linked_to_whom_and_watches_whom(system: System) -> None:
    parent, other = await system.spawn(Puppet, "parent"), await system.spawn(Puppet, "other")
    child = await do(parent, lambda _: Puppet.start_link("child"))
    await do(child, lambda me: (me.link(other), me.monitor(other)))
    numbered = await do(child, lambda me: me.monitor(parent))

    before, watched = process_info(child), process_info(other)
    await do(child, lambda me: me.demonitor(numbered, parent))
    other.kill()
    await child.ended()

    assert before is not None
    assert watched is not None
    assert (before.parent, before.links) == ("parent", ("parent", "other"))
    assert (before.monitors, watched.monitored_by) == (("other", "parent"), ("child",))
    assert process_info(child) is None


async def test_a_suspended_actor_and_one_that_starts_and_one_that_ends_say_so(
    system: System,
) -> None:
    suspended, seen = await system.spawn(Puppet), []

    def look(me: Puppet) -> None:
        info = process_info(me.ref)
        seen.append(None if info is None else info.status)

    await suspend(suspended)
    tell(suspended, Note(text="held back"))
    await asyncio.sleep(0)
    info = process_info(suspended)
    await resume(suspended)
    other = await system.spawn(Puppet, on_start=look, on_stop=look)
    tell(other, Do(work=raising(Bug())))
    await other.ended()

    assert info is not None
    assert (info.status, info.mailbox) == ("suspended", 1)
    assert seen == ["starting", "ending"]


async def test_a_killed_actor_is_ending_until_it_has_ended(system: System) -> None:
    ref = await system.spawn(Puppet)

    ref.kill()
    info = process_info(ref)
    await ref.ended()

    assert info is not None
    assert (info.status, process_info(ref)) == ("ending", None)


async def test_a_trace_shows_what_was_handled_and_not_what_it_held(system: System) -> None:
    ref = await system.spawn(Puppet)
    await do(ref, lambda _: "before")

    async with traced(ref) as trace:
        tell(ref, Note(text="a secret"))
        await do(ref, lambda _: asyncio.sleep(0.001))
        with pytest.raises(Declared):
            await do(ref, raising(Declared()))
        while_traced = [event.message for event in trace.events]
    assert await do(ref, lambda _: "after") == "after"

    assert while_traced == ["Note(text=str)", "Do(work=function)", "Do(work=function)"]
    assert [event.error for event in trace.events][:3] == [None, None, "Declared"]
    figures = trace.statistics()
    assert (figures["Do"].handled, figures["Do"].failed) == (2, 1)
    assert figures["Do"].total_s >= figures["Do"].longest_s >= 0.001
    assert (figures["Note"].handled, figures["Note"].failed) == (1, 0)


async def test_two_traces_do_not_disturb_each_other(system: System) -> None:
    ref = await system.spawn(Puppet)

    async with traced(ref, size=1) as one:
        async with traced(ref) as two:
            tell(ref, Note(text="1"))
            await heard(ref, 1)
        tell(ref, Note(text="2"))
        await heard(ref, 2)

    assert [event.message for event in one.events] == ["Heard(count=int)"]
    assert one.statistics()["Note"].handled == 2
    assert two.statistics()["Note"].handled == 1


async def test_a_handler_that_runs_concurrently_is_traced_to_its_end(system: System) -> None:
    ref, go_on = await system.spawn(Puppet), asyncio.Event()

    async with traced(ref) as trace:
        waits = request(ref, DoMeanwhile(work=lambda _: go_on.wait()))
        await do(ref, lambda _: None)
        before = "DoMeanwhile" in trace.statistics()
        go_on.set()
        await waits

    assert before is False
    assert trace.statistics()["DoMeanwhile"].handled == 1


async def test_an_actor_that_crashes_while_it_is_traced_ends_as_ever(system: System) -> None:
    ref = await system.spawn(Puppet)

    async with traced(ref) as trace:
        with pytest.raises(ActorUnavailable):
            await do(ref, raising(Bug()))
        await ref.ended()

    assert trace.events[-1].error == "Bug"
    with pytest.raises(ActorUnavailable):
        async with traced(ref):
            pass
