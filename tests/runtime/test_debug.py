"""For people who debug: get_state, suspend, resume, the event log."""

import asyncio
import threading
import time

import pytest

from taskqueue.errors import ActorUnavailable
from taskqueue.runtime import (
    KILLED,
    System,
    get_log,
    get_state,
    request,
    resume,
    stop,
    suspend,
    tell,
)
from tests.runtime.puppets import Bug, Do, Hermit, Note, Puppet, do, heard


async def test_get_state_shows_the_attributes_of_the_class_s_making(system: System) -> None:
    ref = await system.spawn(Puppet, "open")
    tell(ref, Note(text="hello"))
    await heard(ref, 1)

    assert await get_state(ref) == {"registered_name": "open", "heard": ["hello"]}


async def test_a_class_may_say_what_its_state_is(system: System) -> None:
    class Discreet(Puppet):
        def get_state(self) -> object:
            return "none of your business"

    ref = await system.spawn(Discreet)

    assert await get_state(ref) == "none of your business"


async def test_an_error_of_get_state_is_an_answer(system: System) -> None:
    class Clumsy(Puppet):
        def get_state(self) -> object:
            raise Bug

    ref = await system.spawn(Clumsy)

    with pytest.raises(Bug):
        await get_state(ref)
    assert await do(ref, lambda _: "alive") == "alive"


async def test_a_suspended_actor_holds_ordinary_messages_back(system: System) -> None:
    ref = await system.spawn(Puppet)

    await suspend(ref)
    waits = request(ref, Note(text="x"))  # type: ignore[var-annotated, arg-type]
    assert await get_state(ref) == {"registered_name": None, "heard": []}
    assert not waits.done()
    await resume(ref)

    assert await heard(ref, 1) == ["x"]


async def test_a_suspended_actor_can_be_stopped_and_killed(system: System) -> None:
    one, two = await system.spawn(Puppet), await system.spawn(Puppet)
    for ref in (one, two):
        await suspend(ref)
    waits = request(one, Note(text="x"))  # type: ignore[var-annotated, arg-type]

    await stop(one, KILLED)
    two.kill()

    assert await one.ended() == await two.ended() == KILLED
    with pytest.raises(ActorUnavailable):
        await waits


async def test_resuming_who_is_not_suspended_does_nothing(system: System) -> None:
    ref = await system.spawn(Puppet)

    await resume(ref)

    assert await do(ref, lambda _: "alive") == "alive"


async def test_get_state_comes_after_the_messages_before_it(system: System) -> None:
    class Copying(Hermit):
        def get_state(self) -> object:
            return [*self.heard]

    ref = await system.spawn(Copying)
    entered, release = threading.Event(), threading.Event()
    blocked = request(ref, Do(work=lambda _: (entered.set(), release.wait())))
    await asyncio.to_thread(entered.wait)
    for number in range(10):
        tell(ref, Note(text=number))

    state = asyncio.create_task(get_state(ref))
    await asyncio.sleep(0)
    tell(ref, Note(text="too late"))
    release.set()

    assert await state == list(range(10))
    await blocked


async def test_a_suspended_actor_takes_system_messages_first(system: System) -> None:
    ref = await system.spawn(Puppet)
    await suspend(ref)
    for number in range(3):
        tell(ref, Note(text=number))

    log = await get_log(ref)
    await resume(ref)

    assert [line.message for line in log] == ["Suspend", "GetLog"]
    assert await heard(ref, 3) == [0, 1, 2]


async def test_the_log_tells_of_the_last_messages_oldest_first(system: System) -> None:
    class Forgetful(Puppet):
        event_log_size = 3

    ref = await system.spawn(Forgetful)
    began = time.monotonic()
    for _ in range(5):
        tell(ref, Note(text="x"))
    await heard(ref, 5)

    log = await get_log(ref)

    assert [line.message for line in log] == ["Note", "Heard", "GetLog"]
    assert began <= log[0].at <= log[1].at <= log[2].at <= time.monotonic()


@pytest.mark.parametrize("question", [get_state, get_log, suspend, resume])
async def test_the_dead_answer_no_question(system: System, question: object) -> None:
    ref = await system.spawn(Puppet)
    ref.kill()
    await ref.ended()

    with pytest.raises(ActorUnavailable):
        await question(ref)  # type: ignore[operator]


@pytest.mark.parametrize("question", [get_state, get_log, suspend, resume])
async def test_an_actor_does_not_question_itself(system: System, question: object) -> None:
    ref = await system.spawn(Puppet)

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, lambda me: question(me.ref))  # type: ignore[operator]

    assert isinstance(error.value.__cause__, RuntimeError)
