"""Timers: messages that are sent later."""

import threading

import pytest

from taskqueue.runtime import KILLED, System, send_after
from tests.runtime.puppets import Hermit, Note, Puppet, do, heard


@pytest.mark.parametrize("kind", [Puppet, Hermit])
async def test_a_message_arrives_after_its_delay_and_not_before(
    system: System, kind: type[Puppet]
) -> None:
    target = await system.spawn(kind)
    loop = system.main.loop
    sent_at = loop.time()

    send_after(target, Note(text="late"), delay_s=0.05)

    assert await heard(target, 1) == ["late"]
    assert loop.time() - sent_at >= 0.05


async def test_messages_of_different_delays_arrive_in_the_order_of_their_instants(
    system: System,
) -> None:
    target = await system.spawn(Puppet)

    send_after(target, Note(text="second"), delay_s=0.02)
    send_after(target, Note(text="first"), delay_s=0.0)

    assert await heard(target, 2) == ["first", "second"]


async def test_a_cancelled_message_is_not_sent(system: System) -> None:
    target = await system.spawn(Puppet)

    timer = send_after(target, Note(text="cancelled"), delay_s=0.0)
    first, second = timer.cancel(), timer.cancel()
    send_after(target, Note(text="sent"), delay_s=0.01)

    assert (first, second) == (True, False)
    assert await heard(target, 1) == ["sent"]


async def test_a_timer_whose_message_was_sent_cannot_be_cancelled(system: System) -> None:
    target = await system.spawn(Puppet)

    timer = send_after(target, Note(text="sent"), delay_s=0.0)
    await heard(target, 1)

    assert not timer.cancel()


async def test_a_timer_outlives_the_actor_that_set_it(system: System) -> None:
    target, setter = await system.spawn(Puppet), await system.spawn(Hermit)

    await do(setter, lambda me: send_after(target, Note(text="sent"), delay_s=0.05))
    setter.exit(KILLED)
    await setter.ended()

    assert await heard(target, 1) == ["sent"]


async def test_a_thread_can_set_a_timer(system: System) -> None:
    target = await system.spawn(Puppet)

    thread = threading.Thread(
        target=send_after, args=(target, Note(text="sent")), kwargs={"delay_s": 0.0}
    )
    thread.start()

    assert await heard(target, 1) == ["sent"]
    thread.join()


async def test_a_message_to_an_actor_that_has_ended_is_dropped(system: System) -> None:
    ended, alive = await system.spawn(Puppet), await system.spawn(Puppet)
    ended.kill()
    await ended.ended()

    send_after(ended, Note(text="dropped"), delay_s=0.0)
    send_after(alive, Note(text="sent"), delay_s=0.01)

    assert await heard(alive, 1) == ["sent"]


async def test_a_negative_delay_is_refused(system: System) -> None:
    target = await system.spawn(Puppet)

    with pytest.raises(ValueError, match="delay_s must not be negative"):
        send_after(target, Note(text="never"), delay_s=-1.0)
