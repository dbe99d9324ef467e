"""What an actor handles beside others begins before the send returns, if it may."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import Crash, Reply, System, ask, request, resume, suspend, tell
from tests.runtime.puppets import Bug, Do, DoMeanwhile, Hermit, Note, Puppet

of_sender: ContextVar[str] = ContextVar("of_sender", default="nothing")


def hear(text: str) -> DoMeanwhile:
    return DoMeanwhile(work=lambda me: me.hear(text))


async def waiting(system: System, kind: type[Puppet] = Puppet) -> Any:
    """Return an actor that waits for messages."""
    ref = await system.spawn(kind)
    await ask(ref, Do(work=lambda _: None))
    await asyncio.sleep(0)
    return ref


def heard(ref: Any) -> list[Any]:
    actor: Any = ref._actor_weakref()
    return list(actor.heard)


async def test_it_begins_before_the_send_returns(system: System) -> None:
    ref = await waiting(system)

    tell(ref, hear("told"))
    reply: Reply[Any] = request(ref, hear("asked"))
    before = heard(ref)
    await reply

    assert before == ["told", "asked"]


async def test_it_does_not_overtake_a_message_that_waits(system: System) -> None:
    ref = await waiting(system)

    tell(ref, Note(text="first"))
    reply = request(ref, hear("second"))
    before = heard(ref)
    await reply

    assert (before, heard(ref)) == ([], ["first", "second"])


async def test_it_waits_for_a_message_that_is_being_handled(system: System) -> None:
    ref, go_on = await waiting(system), asyncio.Event()
    slow = request(ref, Do(work=lambda _: go_on.wait()))
    await asyncio.sleep(0)

    reply = request(ref, hear("later"))
    before = heard(ref)
    go_on.set()
    await asyncio.gather(slow, reply)

    assert (before, heard(ref)) == ([], ["later"])


async def test_a_suspended_actor_begins_it_when_it_is_resumed(system: System) -> None:
    ref = await waiting(system)
    await suspend(ref)
    await asyncio.sleep(0)

    reply = request(ref, hear("held back"))
    before = heard(ref)
    await resume(ref)
    await reply

    assert (before, heard(ref)) == ([], ["held back"])


async def test_an_actor_on_another_host_begins_it_there(system: System) -> None:
    ref = await waiting(system, Hermit)
    here = asyncio.get_running_loop()

    async def is_there() -> bool:
        return asyncio.get_running_loop() is not here

    assert await ask(ref, DoMeanwhile(work=lambda _: is_there()))


async def test_it_runs_as_a_task_of_its_own_in_the_context_of_its_actor(system: System) -> None:
    ref = await waiting(system)
    of_sender.set("something")

    async def seen(me: Puppet) -> tuple[object, str, bool]:
        task = asyncio.current_task()
        async with asyncio.timeout(20):  # which needs that task
            await asyncio.sleep(0)
        return task, of_sender.get(), asyncio.current_task() is task

    task, variable, is_same = await ask(ref, DoMeanwhile(work=seen))

    assert task is not asyncio.current_task()
    assert (variable, is_same) == ("nothing", True)


async def test_it_does_not_interrupt_a_step_of_its_own_actor(system: System) -> None:
    one, other = await waiting(system), await waiting(system)

    async def ask_back(me: Puppet) -> list[str]:
        me.hear("begins")
        tell(other, DoMeanwhile(work=lambda _: tell(one, hear("asked back"))))
        tell(one, hear("asked itself"))
        me.hear("goes on")
        return list(me.heard)

    assert await ask(one, DoMeanwhile(work=ask_back)) == ["begins", "goes on"]
    await ask(one, Do(work=lambda _: None))
    assert sorted(heard(one)[2:]) == ["asked back", "asked itself"]


async def test_two_that_answer_each_other_for_long_do_not_fill_the_stack(system: System) -> None:
    one, other = await waiting(system), await waiting(system)
    ended = asyncio.Event()

    def rally(to: Any, back: Any, left: int) -> None:
        if left:
            tell(to, DoMeanwhile(work=lambda _: rally(back, to, left - 1)))
        else:
            ended.set()

    rally(one, other, 10_000)

    async with asyncio.timeout(20):
        await ended.wait()


async def test_a_crash_of_its_first_step_is_its_actors_and_not_its_senders(system: System) -> None:
    ref, bug = await waiting(system), Bug()

    def fail(_: object) -> None:
        raise bug

    reply = request(ref, DoMeanwhile(work=fail))

    with pytest.raises(ActorUnavailable):
        await reply
    assert await ref.ended() == Crash(bug)
