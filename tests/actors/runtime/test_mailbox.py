"""Mailboxes: two lanes, order, closing against putting."""

import asyncio
import threading

import pytest
from pykka._envelope import Envelope

from taskqueue.actors.runtime import Host
from taskqueue.actors.runtime.mailbox import Mailbox


def letters(mailbox: Mailbox) -> list[object]:
    """Take out everything."""
    taken = []
    while (envelope := mailbox.take()) is not None:
        taken.append(envelope.message)
    return taken


async def test_ordinary_messages_keep_their_order() -> None:
    mailbox = Mailbox(Host.adopt())

    for letter in "abc":
        mailbox.put(Envelope(letter))

    assert len(mailbox) == 3
    assert letters(mailbox) == ["a", "b", "c"]
    assert mailbox.empty()


async def test_system_messages_go_first_and_keep_their_order() -> None:
    mailbox = Mailbox(Host.adopt())

    mailbox.put(Envelope("ordinary"))
    mailbox.put_system(Envelope("system 1"))
    mailbox.put_system(Envelope("system 2"))

    assert letters(mailbox) == ["system 1", "system 2", "ordinary"]


async def test_suspended_it_gives_out_system_messages_only() -> None:
    mailbox = Mailbox(Host.adopt())

    mailbox.suspend()
    mailbox.put(Envelope("ordinary"))
    mailbox.put_system(Envelope("system"))
    assert letters(mailbox) == ["system"]
    mailbox.resume()

    assert letters(mailbox) == ["ordinary"]


async def test_the_actor_is_woken_by_either_lane() -> None:
    mailbox = Mailbox(Host.adopt())

    for put in (mailbox.put, mailbox.put_system):
        waiter = mailbox.waiter()
        assert not waiter.done()
        put(Envelope("x"))
        await asyncio.wait_for(waiter, 5)
        assert letters(mailbox) == ["x"]


async def test_who_begins_to_wait_with_something_there_does_not_wait() -> None:
    mailbox = Mailbox(Host.adopt())
    mailbox.put(Envelope("x"))

    assert mailbox.waiter().done()


async def test_discard_takes_out_what_is_unwanted_and_keeps_the_order() -> None:
    mailbox = Mailbox(Host.adopt())
    for number in range(6):
        mailbox.put(Envelope(number))

    mailbox.discard(lambda number: number % 2 == 1)

    assert letters(mailbox) == [0, 2, 4]


async def test_closing_refuses_what_waits_and_what_comes() -> None:
    mailbox = Mailbox(Host.adopt())
    refused: list[object] = []
    mailbox.put(Envelope("waits"))
    mailbox.put_system(Envelope("waits in front"))

    mailbox.close(lambda envelope: refused.append(envelope.message))
    mailbox.put(Envelope("comes"))
    mailbox.put_system(Envelope("comes in front"))

    assert refused == ["waits in front", "waits", "comes", "comes in front"]
    assert mailbox.empty()


async def test_pykka_s_blocking_read_is_refused() -> None:
    with pytest.raises(RuntimeError):
        Mailbox(Host.adopt()).get()


async def test_nothing_is_lost_or_doubled_when_putting_races_closing() -> None:
    for _ in range(100):
        mailbox = Mailbox(Host.adopt())
        seen: list[object] = []
        start = threading.Barrier(4)

        def put(sender: int, mailbox: Mailbox = mailbox, start: threading.Barrier = start) -> None:
            start.wait(5)
            for number in range(100):
                mailbox.put(Envelope((sender, number)))

        senders = [threading.Thread(target=put, args=(sender,)) for sender in range(3)]
        for sender in senders:
            sender.start()
        start.wait(5)
        seen += letters(mailbox)
        mailbox.close(lambda envelope, seen=seen: seen.append(envelope.message))
        for sender in senders:
            sender.join(5)

        assert len(seen) == len(set(seen)) == 300


async def test_an_actor_that_waits_misses_no_message_of_another_thread() -> None:
    mailbox = Mailbox(Host.adopt())
    count, taken = 3000, []

    def put() -> None:
        for number in range(count):
            mailbox.put(Envelope(number))

    sender = threading.Thread(target=put)
    sender.start()
    async with asyncio.timeout(20):
        while len(taken) < count:
            envelope = mailbox.take()
            if envelope is None:
                await mailbox.waiter()
            else:
                taken.append(envelope.message)
    sender.join(5)

    assert taken == list(range(count))
