"""Links and exit signals, as in OTP."""

import asyncio
from itertools import pairwise

import pytest

from taskqueue.runtime import (
    KILLED,
    NOPROC,
    NORMAL,
    SHUTDOWN,
    ActorRef,
    Crash,
    ExitReason,
    System,
    stop,
    suspend,
    tell,
)
from tests.runtime.puppets import (
    Bug,
    Do,
    Hermit,
    Note,
    Puppet,
    Trapper,
    TrappingHermit,
    cause_of,
    do,
    heard,
    raising,
)

PLAIN = [Puppet, Hermit]
TRAPPING = [Trapper, TrappingHermit]


async def linked(system: System, one: type[Puppet], two: type[Puppet]) -> list[ActorRef]:
    """Start two actors and link them."""
    refs = [await system.spawn(one), await system.spawn(two)]
    await do(refs[0], lambda me: me.link(refs[1]))
    return refs


@pytest.mark.parametrize("kind", PLAIN)
async def test_an_abnormal_end_ends_the_linked_with_the_same_reason(
    system: System, kind: type[Puppet]
) -> None:
    one, two = await linked(system, kind, kind)
    bug = Bug()

    tell(one, Do(work=raising(bug)))

    assert await one.ended() == await two.ended() == Crash(bug)


async def test_a_link_works_in_both_directions(system: System) -> None:
    one, two = await linked(system, Puppet, Puppet)

    two.kill()

    assert await one.ended() == KILLED


@pytest.mark.parametrize("reason", [SHUTDOWN, KILLED, Crash("x")])
async def test_every_reason_but_normal_is_abnormal_to_a_link(
    system: System, reason: ExitReason
) -> None:
    one, two = await linked(system, Puppet, Puppet)

    await stop(one, reason)

    assert await two.ended() == reason


async def test_a_normal_end_leaves_the_linked_alone(system: System) -> None:
    one, two = await linked(system, Puppet, Puppet)

    await stop(one, NORMAL)

    assert await do(two, lambda _: "alive") == "alive"


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("reason", [SHUTDOWN, Crash(Bug())])
async def test_who_dies_of_an_untrapped_signal_gets_no_stop_hook(
    system: System, kind: type[Puppet], reason: ExitReason
) -> None:
    stops: list[object] = []
    one = await system.spawn(Puppet)
    two = await system.spawn(kind, on_stop=stops.append)
    await do(two, lambda me: me.link(one))

    await stop(one, reason)
    assert await two.ended() == reason

    assert stops == []


@pytest.mark.parametrize("kind", TRAPPING)
@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED, Crash("x")])
async def test_who_traps_exits_gets_a_message(
    system: System, kind: type[Puppet], reason: ExitReason
) -> None:
    one, two = await linked(system, Puppet, kind)

    await stop(one, reason)

    [signal] = await heard(two, 1)
    assert (signal.sender, signal.reason) == (one, reason)
    assert two.is_alive()


async def test_a_pair_is_linked_once(system: System) -> None:
    one, two = await linked(system, Puppet, Trapper)
    await do(two, lambda me: me.link(one))
    await do(one, lambda me: me.link(two))

    one.kill()
    await one.ended()
    tell(two, Note(text="after"))

    [signal, after] = await heard(two, 2)
    assert (signal.sender, after) == (one, "after")


async def test_linking_to_the_dead_is_a_signal_noproc(system: System) -> None:
    dead = await system.spawn(Puppet)
    dead.kill()
    await dead.ended()
    plain, trapping = await system.spawn(Puppet), await system.spawn(Trapper)

    tell(plain, Do(work=lambda me: me.link(dead)))
    await do(trapping, lambda me: me.link(dead))

    assert await plain.ended() == NOPROC
    [signal] = await heard(trapping, 1)
    assert (signal.sender, signal.reason) == (dead, NOPROC)


async def test_linking_to_oneself_does_nothing(system: System) -> None:
    ref = await system.spawn(Trapper)

    await do(ref, lambda me: me.link(me.ref))
    await stop(ref, SHUTDOWN)

    assert ref.exit_reason == SHUTDOWN


async def test_unlinked_actors_end_alone(system: System) -> None:
    one, two = await linked(system, Puppet, Puppet)

    await do(two, lambda me: me.unlink(one))
    one.kill()
    await one.ended()

    assert await do(two, lambda _: "alive") == "alive"


async def test_unlink_takes_out_a_signal_that_is_already_here(system: System) -> None:
    one, two = await linked(system, Puppet, Trapper)

    async def miss_it(me: Puppet) -> None:
        one.kill()
        await one.ended()
        me.unlink(one)

    await do(two, miss_it)
    tell(two, Note(text="only this"))

    assert await heard(two, 1) == ["only this"]


@pytest.mark.parametrize("kind", [Hermit, TrappingHermit])
async def test_no_signal_of_another_host_arrives_after_unlink(
    system: System, kind: type[Puppet]
) -> None:
    for _ in range(30):
        one, two = await linked(system, Puppet, kind)

        def unlink_meanwhile(me: Puppet, one: ActorRef = one) -> None:
            one.kill()
            while one.exit_reason is None:  # its end is being told, on the other thread
                pass
            me.unlink(one)

        await do(two, unlink_meanwhile)
        tell(two, Note(text="only this"))

        assert await heard(two, 1) == ["only this"]
        two.kill()


async def test_the_parent_s_signal_ends_who_traps_with_its_stop_hook(system: System) -> None:
    known: list[object] = []
    parent = await system.spawn(Puppet)
    child = await do(
        parent, lambda _: Trapper.start_link(on_stop=lambda me: known.append(me.exit_reason))
    )

    await do(parent, lambda _: child.exit(SHUTDOWN))

    assert await child.ended() == SHUTDOWN
    assert known == [SHUTDOWN]


async def test_the_outside_is_the_parent_of_who_was_spawned(system: System) -> None:
    ref = await system.spawn(Trapper)

    ref.exit(SHUTDOWN)

    assert await ref.ended() == SHUTDOWN


@pytest.mark.parametrize("reason", [NORMAL, SHUTDOWN, KILLED])
async def test_a_stranger_s_signal_is_a_message_to_who_traps(
    system: System, reason: ExitReason
) -> None:
    stranger, ref = await system.spawn(Puppet), await system.spawn(Trapper)

    await do(stranger, lambda _: ref.exit(reason))

    [signal] = await heard(ref, 1)
    assert (signal.sender, signal.reason) == (stranger, reason)


async def test_a_signal_ends_who_does_not_trap_even_while_it_waits(system: System) -> None:
    stops: list[object] = []
    stranger, ref = await system.spawn(Puppet), await system.spawn(Puppet, on_stop=stops.append)
    tell(ref, Do(work=lambda _: asyncio.Event().wait()))

    await do(stranger, lambda _: ref.exit(SHUTDOWN))

    assert await ref.ended() == SHUTDOWN
    assert stops == []


async def test_the_signal_normal_does_nothing_to_who_does_not_trap(system: System) -> None:
    ref = await system.spawn(Puppet)

    ref.exit(NORMAL)

    assert await do(ref, lambda _: "alive") == "alive"


async def test_the_signal_normal_sent_to_oneself_is_an_end(system: System) -> None:
    ref = await system.spawn(Puppet)

    tell(ref, Do(work=lambda me: me.ref.exit(NORMAL)))

    assert await ref.ended() == NORMAL


async def test_a_parent_that_ends_takes_along_who_traps(system: System) -> None:
    known: list[object] = []
    parent = await system.spawn(Puppet)
    child = await do(
        parent, lambda _: Trapper.start_link(on_stop=lambda me: known.append(me.exit_reason))
    )

    parent.kill()

    assert await child.ended() == KILLED
    assert known == [KILLED]


async def test_the_parent_s_signal_reaches_a_suspended_actor(system: System) -> None:
    ref = await system.spawn(Trapper)
    await suspend(ref)

    ref.exit(SHUTDOWN)

    assert await ref.ended() == SHUTDOWN


async def test_a_trapped_signal_that_nobody_handles_is_ignored(system: System) -> None:
    class Stoic(Trapper):
        def on_exit_signal(self, message: object) -> None:
            super(Puppet, self).on_exit_signal(message)  # type: ignore[arg-type]

    one, two = await linked(system, Puppet, Stoic)

    one.kill()
    await one.ended()

    assert await do(two, lambda me: me.heard) == []


async def test_a_chain_of_links_falls_as_one(system: System) -> None:
    chain = [await system.spawn(Puppet if number % 3 else Hermit) for number in range(12)]
    for one, two in pairwise(chain):
        await do(one, lambda me, two=two: me.link(two))
    bug = Bug()

    tell(chain[5], Do(work=raising(bug)))

    assert {cause_of(await ref.ended()) for ref in chain} == {bug}
