"""Talking: ask, request, tell, declared errors, deferred and concurrent handling."""

import asyncio
import threading
from typing import Any

import pytest

from taskqueue.errors import ActorUnavailable, AskTimeout
from taskqueue.runtime import (
    Actor,
    Address,
    Crash,
    Deferred,
    Killed,
    Message,
    Request,
    System,
    ask,
    receives,
    request,
    tell,
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


class Double(Request[int]):
    number: int


class Unmarked(Request[int]):
    number: int


class Doubler(Actor):
    @receives(Double)
    def on_double(self, message: Double) -> int:
        return 2 * message.number


async def test_an_ask_returns_what_the_handler_returns(system: System) -> None:
    ref = await system.spawn(Doubler)

    assert await ask(ref, Double(number=4)) == 8


async def test_a_handler_may_wait_and_the_next_message_waits_with_it(system: System) -> None:
    ref = await system.spawn(Puppet)
    go_on, order = asyncio.Event(), []

    async def first(_: Actor) -> None:
        await go_on.wait()
        order.append("first")

    one = request(ref, Do(work=first))
    two = request(ref, Do(work=lambda _: order.append("second")))
    await do_nothing_for_a_while()
    assert order == []
    go_on.set()
    await one
    await two

    assert order == ["first", "second"]


async def test_an_address_finds_whoever_carries_the_name_now(system: System) -> None:
    address = system.address("queue")
    first = await system.spawn(Puppet, "queue")
    assert await ask(address, Do(work=lambda me: me.ref)) is first

    first.kill()
    await first.ended()
    second = await system.spawn(Puppet, "queue")

    assert await ask(address, Do(work=lambda me: me.ref)) is second
    assert (str(address), address.whereis()) == ("queue", second)


async def test_an_actor_makes_addresses_of_its_system(system: System) -> None:
    ref = await system.spawn(Puppet, "me")

    address = await do(ref, lambda me: me.address("me"))

    assert isinstance(address, Address)
    assert address.whereis() is ref


async def test_asking_a_name_that_nobody_carries_is_unavailable_at_once(system: System) -> None:
    with pytest.raises(ActorUnavailable) as error:
        await ask(system.address("nobody"), Double(number=1))

    assert error.value.target == "nobody"


async def test_asking_the_dead_is_unavailable_with_the_reason(system: System) -> None:
    ref = await system.spawn(Puppet, "gone")
    ref.kill()
    await ref.ended()

    with pytest.raises(ActorUnavailable) as error:
        await ask(ref, Double(number=1), timeout_s=None)

    assert (error.value.target, error.value.cause) == ("gone", Killed())


async def test_each_refused_asker_gets_an_exception_of_its_own(system: System) -> None:
    ref = await system.spawn(Puppet)
    ref.kill()
    await ref.ended()
    errors = []

    for _ in range(3):
        with pytest.raises(ActorUnavailable) as error:
            await ask(ref, Double(number=1))
        errors.append((error.value, len(error.traceback)))  # kept, so that no id is used twice

    assert len({id(error) for error, _ in errors}) == 3
    assert len({depth for _, depth in errors}) == 1  # no traceback grows from ask to ask


async def test_an_answer_that_does_not_come_in_time_is_a_timeout(system: System) -> None:
    ref = await system.spawn(Puppet, "slow")
    go_on = asyncio.Event()

    with pytest.raises(AskTimeout) as error:
        await do(ref, lambda _: go_on.wait(), timeout_s=0.01)
    go_on.set()

    assert (error.value.target, error.value.after_s) == ("slow", 0.01)
    assert await do(ref, lambda _: "alive") == "alive"  # and the late answer reached nobody


async def test_a_timed_out_request_is_still_worked_on(system: System) -> None:
    ref = await system.spawn(Puppet)
    go_on = asyncio.Event()

    async def work(me: Puppet) -> None:
        await go_on.wait()
        me.hear("done")

    with pytest.raises(AskTimeout):
        await do(ref, work, timeout_s=0.01)
    go_on.set()

    assert await heard(ref, 1) == ["done"]


async def test_of_asks_with_one_limit_each_times_out_by_its_own_start(system: System) -> None:
    ref = await system.spawn(Puppet)
    loop, never = asyncio.get_running_loop(), asyncio.Event()
    waited = []

    async def one() -> None:
        began = loop.time()
        with pytest.raises(AskTimeout):
            await ask(ref, DoMeanwhile(work=lambda _: never.wait()), timeout_s=0.05)
        waited.append(loop.time() - began)

    first = asyncio.create_task(one())
    await asyncio.sleep(0.03)  # time itself is the subject here
    second = asyncio.create_task(one())
    await first
    await second

    assert min(waited) >= 0.049


async def test_an_ask_without_a_limit_waits_as_long_as_it_takes(system: System) -> None:
    ref = await system.spawn(Puppet)
    go_on = asyncio.Event()

    reply = asyncio.create_task(do(ref, lambda _: go_on.wait(), timeout_s=None))
    await do_nothing_for_a_while()
    assert not reply.done()
    go_on.set()

    assert await reply is True


async def test_a_declared_error_is_an_answer_and_the_actor_lives(system: System) -> None:
    ref = await system.spawn(Puppet)
    error = Declared("no such thing")

    with pytest.raises(Declared) as raised:
        await do(ref, raising(error))

    assert raised.value is error
    assert await do(ref, lambda _: "alive") == "alive"


async def test_a_declared_error_that_nobody_asked_for_is_a_crash(system: System) -> None:
    ref = await system.spawn(Puppet)
    error = Declared()

    tell(ref, Do(work=raising(error)))

    assert await ref.ended() == Crash(error)


async def test_an_undeclared_error_ends_the_actor_and_tells_the_asker_why(system: System) -> None:
    ref = await system.spawn(Puppet, "fragile")
    bug = Bug("deep inside")

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, raising(bug))

    assert (error.value.target, error.value.cause) == ("fragile", Crash(bug))
    assert error.value.__cause__ is bug
    assert ref.exit_reason == Crash(bug)


async def test_an_actor_that_asks_itself_is_told_so(system: System) -> None:
    ref = await system.spawn(Puppet, "narcissus")

    with pytest.raises(ActorUnavailable) as error:
        await do(ref, lambda me: ask(me.ref, Double(number=1), timeout_s=None))

    assert isinstance(error.value.__cause__, RuntimeError)
    assert str(error.value.__cause__) == "narcissus asks itself"


async def test_a_concurrent_handler_may_ask_its_own_actor(system: System) -> None:
    ref = await system.spawn(Puppet)

    answer = await ask(ref, DoMeanwhile(work=lambda me: do(me.ref, lambda _: "the other me")))

    assert answer == "the other me"


async def test_asks_cross_hosts_in_both_directions(system: System) -> None:
    near, far = await system.spawn(Doubler), await system.spawn(Hermit)

    here = await do(far, lambda _: threading.get_ident())
    answer = await do(far, lambda _: ask(near, Double(number=21)))

    assert here != threading.get_ident()
    assert answer == 42


async def test_what_is_sent_arrives_in_order(system: System) -> None:
    for kind in (Puppet, Hermit):
        ref = await system.spawn(kind)
        for number in range(1000):
            tell(ref, Note(text=number))
        assert await heard(ref, 1000) == list(range(1000))


async def test_send_returns_once_the_request_is_in_the_mailbox(system: System) -> None:
    ref = await system.spawn(Doubler)

    replies = [request(ref, Double(number=number)) for number in range(5)]

    assert [await reply for reply in replies] == [0, 2, 4, 6, 8]


async def test_tell_never_fails(system: System) -> None:
    ref = await system.spawn(Puppet, "mortal")
    ref.kill()
    await ref.ended()

    tell(ref, Note(text="too late"))
    ref.tell(Note(text="too late"))
    tell(system.address("mortal"), Note(text="nobody there"))


async def test_tell_by_name_reaches_its_carrier(system: System) -> None:
    ref = await system.spawn(Puppet, "ears")

    tell(system.address("ears"), Note(text="hello"))

    assert await heard(ref, 1) == ["hello"]


async def test_an_ask_that_nobody_understands_is_a_crash(system: System) -> None:
    ref = await system.spawn(Doubler)

    with pytest.raises(ActorUnavailable) as error:
        await ask(ref, Unmarked(number=1))

    assert isinstance(error.value.__cause__, TypeError)


async def test_a_tell_that_nobody_understands_is_dropped(system: System) -> None:
    ref = await system.spawn(Doubler)

    tell(ref, Note(text="what?"))

    assert await ask(ref, Double(number=1)) == 2


async def test_the_mailbox_does_not_wait_for_a_concurrent_handler(system: System) -> None:
    ref = await system.spawn(Puppet)
    go_on = asyncio.Event()

    slow = [request(ref, DoMeanwhile(work=lambda _: go_on.wait())) for _ in range(3)]
    assert await do(ref, lambda _: "quick") == "quick"
    go_on.set()

    assert [await reply for reply in slow] == [True, True, True]


async def test_a_concurrent_handler_may_raise_a_declared_error(system: System) -> None:
    ref = await system.spawn(Puppet)

    with pytest.raises(Declared):
        await ask(ref, DoMeanwhile(work=raising(Declared())))

    assert await do(ref, lambda _: "alive") == "alive"


async def test_a_concurrent_handler_that_crashes_ends_the_actor(system: System) -> None:
    ref = await system.spawn(Puppet)
    bug, stops = Bug(), []
    await do(ref, lambda me: setattr(me, "_stop_work", stops.append))

    with pytest.raises(ActorUnavailable) as error:
        await ask(ref, DoMeanwhile(work=raising(bug)))

    assert error.value.cause == await ref.ended() == Crash(bug)
    assert len(stops) == 1


async def test_a_concurrent_handler_whose_work_is_cancelled_elsewhere_is_a_crash(
    system: System,
) -> None:
    ref = await system.spawn(Puppet)
    elsewhere: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    elsewhere.cancel()

    with pytest.raises(ActorUnavailable) as error:
        await ask(ref, DoMeanwhile(work=lambda _: elsewhere), timeout_s=None)

    assert isinstance(error.value.__cause__, asyncio.CancelledError)


async def test_a_deferred_ask_is_answered_later(system: System) -> None:
    ref = await system.spawn(Puppet)
    deferred: list[Deferred] = []

    waits = request(ref, Do(work=lambda me: deferred.append(me.defer())))
    assert await do(ref, lambda _: "meanwhile") == "meanwhile"
    assert not waits.done()
    deferred[0].reply("at last")
    deferred[0].reply("twice")

    assert await waits == "at last"


async def test_a_deferred_ask_may_be_answered_with_an_error(system: System) -> None:
    ref = await system.spawn(Puppet)
    deferred: list[Deferred] = []

    waits = request(ref, Do(work=lambda me: deferred.append(me.defer())))
    await do(ref, lambda _: deferred[0].fail(Declared("later")))

    with pytest.raises(Declared, match="later"):
        await waits
    assert ref.is_alive()


async def test_a_deferred_ask_may_be_answered_from_another_thread(system: System) -> None:
    ref = await system.spawn(Puppet)

    def answer_elsewhere(me: Puppet) -> None:
        thread = threading.Thread(target=me.defer().reply, args=("from afar",))
        thread.start()

    assert await do(ref, answer_elsewhere) == "from afar"


async def test_a_deferred_tell_has_nobody_to_answer(system: System) -> None:
    ref = await system.spawn(Puppet)

    def work(me: Puppet) -> None:
        deferred = me.defer()
        deferred.reply("to nobody")
        deferred.fail(Bug())

    tell(ref, Do(work=work))

    assert isinstance(await ref.ended(), Crash)


WAYS_TO_WAIT: dict[str, Any] = {
    "in the mailbox": lambda ref: request(ref, Double(number=1)),
    "deferred": lambda ref: request(ref, Do(work=lambda me: me.defer() and None)),
    "concurrent": lambda ref: request(ref, DoMeanwhile(work=lambda _: asyncio.Event().wait())),
}


@pytest.mark.parametrize("kind", [Puppet, Hermit])
@pytest.mark.parametrize("way", WAYS_TO_WAIT)
async def test_nothing_asked_is_left_unanswered_at_the_end(
    system: System, way: str, kind: type[Puppet]
) -> None:
    ref = await system.spawn(kind)
    if way == "in the mailbox":
        blocked = request(ref, Do(work=lambda _: asyncio.Event().wait()))
        waits = WAYS_TO_WAIT[way](ref)
    else:
        waits = WAYS_TO_WAIT[way](ref)
        await do(ref, lambda _: "it has been taken")
        blocked = request(ref, Do(work=lambda _: asyncio.Event().wait()))

    ref.kill()

    for reply in (waits, blocked):
        with pytest.raises(ActorUnavailable) as error:
            await reply
        assert error.value.cause == Killed()


async def test_a_flood_does_not_starve_the_others_of_a_loop(system: System) -> None:
    flooded, other = await system.spawn(Puppet), await system.spawn(Doubler)
    over: list[str] = []

    for number in range(10_000):
        tell(flooded, Note(text=number))
    tell(flooded, Do(work=lambda _: over.append("over")))
    answer = await ask(other, Double(number=1))

    assert (answer, over) == (2, [])  # answered in the middle of the flood
    await do(flooded, lambda _: None)
    assert over == ["over"]


async def test_an_actor_that_keeps_telling_itself_does_not_starve_the_others(
    system: System,
) -> None:
    class Tick(Message):
        pass

    class Perpetual(Actor):
        def on_start(self) -> None:
            tell(self.ref, Tick())

        @receives(Tick)
        def on_tick(self, _: Tick) -> None:
            tell(self.ref, Tick())

    await system.spawn(Perpetual)
    other = await system.spawn(Doubler)

    assert [await ask(other, Double(number=n)) for n in range(50)] == list(range(0, 100, 2))


async def test_an_envelope_in_the_hand_of_a_pausing_actor_is_not_lost(system: System) -> None:
    # A flooded actor pauses after a number of messages; killed there, it must answer all.
    for paused_after in (62, 63, 64, 65):
        ref = await system.spawn(Doubler)
        replies = [request(ref, Double(number=1)) for _ in range(paused_after + 3)]
        await asyncio.sleep(0)
        ref.kill()
        await ref.ended()

        assert all(reply.done() for reply in replies)


async def test_a_subclass_overrides_a_handler_marked_or_not(system: System) -> None:
    class Marked(Doubler):
        @receives(Double)
        def on_double(self, message: Double) -> int:
            return 20 * message.number

    class NotMarked(Doubler):
        def on_double(self, message: Double) -> int:
            return 200 * message.number

    class Elsewhere(Doubler):
        @receives(Double)
        def on_twice(self, message: Double) -> int:
            return 2000 * message.number

    kinds = (Marked, NotMarked, Elsewhere)
    answers = [await ask(await system.spawn(kind), Double(number=1)) for kind in kinds]

    assert answers == [20, 200, 2000]


async def test_a_handler_is_chosen_by_the_exact_type(system: System) -> None:
    class Narrower(Double):
        pass

    ref = await system.spawn(Doubler)

    with pytest.raises(ActorUnavailable):
        await ask(ref, Narrower(number=1))


async def test_an_asker_that_gives_up_disturbs_nobody(system: System) -> None:
    ref = await system.spawn(Puppet)
    go_on = asyncio.Event()

    asker = asyncio.create_task(do(ref, lambda _: go_on.wait()))
    await do_nothing_for_a_while()
    asker.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asker
    go_on.set()

    assert await do(ref, lambda _: "alive") == "alive"


async def do_nothing_for_a_while() -> None:
    """Let everything on this loop run that can."""
    for _ in range(10):
        await asyncio.sleep(0)
